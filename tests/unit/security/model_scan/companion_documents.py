"""Configuration documents, as loaders are attacked by them and as libraries write them."""

from __future__ import annotations

import json
from typing import Any

_LAMBDA = {
    "class_name": "Functional",
    "config": {
        "layers": [
            {
                "class_name": "Lambda",
                "config": {
                    "function": {"class_name": "__lambda__", "config": {"code": "4wAAAA=="}}
                },
            }
        ]
    },
}
_RUN = '{"_target_": "os.system"}'
_BAD: dict[str, Any] = {
    "transformers kernel": {"model_type": "bert", "_attn_implementation_internal": "evil/kernel"},
    "transformers kernel by part": {"attn_implementation": {"text": "evil/kernel"}},
    "transformers remote code": {"auto_map": {"AutoModel": "modeling_x.Model"}},
    "transformers trust": {"trust_remote_code": True},
    "hydra": {"distr_output": {"_target_": "builtins.exec", "_args_": ["import os"]}},
    "hydra in YAML": "_target_: os.system\ncommand: id\n",
    "hydra in TOML": '_target_ = "os.system"\n',
    "hydra function of a library": {"_target_": "torch.load"},
    "hydra hub": {"_target_": "torch.hub.load"},
    "hydra function of NeMo": {"_target_": "nemo.utils.run_cmd"},
    "hydra project of MLflow": {"_target_": "mlflow.projects.run", "uri": "evil"},
    "hydra keras": {"_target_": "keras.layers.Lambda"},
    "hydra app": {"_target_": "lightning.app.components.python.PopenPythonScript"},
    "hydra download": {"_target_": "sentence_transformers.SentenceTransformer"},
    "gluonts": {"__kind__": "instance", "class": "os.system", "args": ["id"]},
    "mlflow code": "python_function:\n  loader_module: mlflow.sklearn\n  code: code\n",
    "hydra list": {"_target_": ["os.system"]},
    "hydra mapping": {"_target_": {"a": "os.system"}},
    "jsonargparse": {"class_path": "os.system", "init_args": {}},
    "latent diffusion": {"target": "os.system", "params": {}},
    "sentence-transformers": [{"idx": 0, "name": "0", "path": "", "type": "evil_module.Payload"}],
    "sentence-transformers dense": {"in_features": 1, "activation_function": "os.abort"},
    "sentence-transformers asym": {"types": {"query": "evil.Module"}},
    "activation": {"hidden_act": "os.abort"},
    "keras lambda": _LAMBDA,
    "keras lambda in text": {"model_config": json.dumps(_LAMBDA)},
    "keras registered lambda": {"class_name": "Custom>Lambda", "config": {}},
    "keras torch": {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {}},
    "keras module": {"module": "os", "class_name": "system"},
    "keras builtin": {"module": "builtins", "class_name": "exec", "config": {}},
    "jsonpickle": {"py/reduce": [{"py/type": "os.system"}, {"py/tuple": ["id"]}]},
    "mlflow": "flavors:\n  python_function:\n    loader_module: evil\n",
    "diffusers pipeline": {"_class_name": ["my_pipeline", "P"], "_diffusers_version": "1"},
    "diffusers part": {"_class_name": "P", "unet": ["evil", "Net"]},
    "template": {"chat_template": "{% for x in ().__class__.__base__.__subclasses__() %}"},
    "template attr": {"chat_template": "{{ messages|attr('\\x5f\\x5fclass\\x5f\\x5f') }}"},
    "expression": {"x": "__import__('os').system('id')"},
    "literal of Python": {"config": "{'_target_': 'os.system'}"},
    "text in text": {"a": json.dumps({"b": _RUN})},
    "YAML tag": "a: !!python/object/apply:os.system [id]\n",
    "YAML tag prefix": "%TAG !p! tag:yaml.org,2002:python/\n---\na: !p!name:os.system ''\n",
    "YAML verbatim tag": "--- !<tag:yaml.org,2002:pyth%6fn/none> ''\n",
    "YAML escape": '"\\x5ftarget_": os.system\n',
    "YAML key by alias": "k: &k _target_\n*k : os.system\n",
    "YAML value by alias": "x: &x os.system\n_target_: *x\n",
    "YAML merge": "b: &b {_target_: os.system}\nm:\n  <<: *b\n",
    "YAML explicit key": "? _target_\n: os.system\n",
    "YAML flow": "- [ {_target_ : os.system} ]\n",
    "YAML second document": "a: 1\n---\n_target_: os.system\n",
    "YAML block text": 'a: |\n  {"_target_": "os.system"}\n',
    "JSON first of two keys": '{"_target_":"os.system","_target_":"torch.nn.Linear"}',
    "JSON last of two keys": '{"_target_":"torch.nn.Linear","_target_":"os.system"}',
    "JSON escape": '{"\\u005ftarget_":"os.system"}',
    "JSON byte order mark": b"\xef\xbb\xbf" + _RUN.encode(),
    "JSON in UTF-16": _RUN.encode("utf-16"),
    "JSON in UTF-32": _RUN.encode("utf-32-be"),
    "JSON lines": '{"a": 1}\n{"_target_": "os.system"}\n',
    "wide letter": {"_\uff54arget_": "os.system"},
    "capital letter": {"_Target_": "os.system"},
}
_GOOD: dict[str, Any] = {
    "transformers": {
        "model_type": "bert",
        "hidden_act": "gelu",
        "architectures": ["BertModel"],
        "_attn_implementation": "sdpa",
        "torch_dtype": "float32",
        "_name_or_path": "org/model",
        "quantization_config": {"quant_method": "bitsandbytes", "_load_in_4bit": True},
    },
    "tokenizer": {
        "tokenizer_class": "BertTokenizer",
        "chat_template": "{% for m in messages %}{{ m['role'] }}{% endfor %}",
    },
    "vocabulary": {
        "vocab": {"__init__": 1, "__import__": 2, "eval(": 3, "os.system": 4, "exec(": 6}
    },
    "tokenizers": {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(?i:'s|'t)"}}},
    "index": {"weight_map": {"a.b": "model-00001-of-00002.safetensors"}},
    "sentence-transformers": [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1", "type": "sentence_transformers.models.Pooling"},
    ],
    "dense": {"activation_function": "torch.nn.modules.activation.Tanh"},
    "identity": {"activation_function": "torch.nn.modules.linear.Identity"},
    "diffusers": {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": "0.21",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "safety_checker": [None, None],
    },
    "keras 3": {
        "module": "keras",
        "class_name": "Sequential",
        "config": {
            "layers": [
                {
                    "module": "keras.layers",
                    "class_name": "Dense",
                    "config": {"activation": "relu", "dtype": {"class_name": "DTypePolicy"}},
                    "registered_name": None,
                }
            ]
        },
    },
    "keras 2": {"class_name": "Functional", "config": {"layers": []}, "keras_version": "2.12"},
    "nemo": (
        "_target_: nemo.collections.asr.models.EncDecCTCModelBPE\npreprocessor:\n"
        "  _target_: nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor\n"
    ),
    "latent diffusion": "target: ldm.models.diffusion.ddpm.LatentDiffusion\nparams: {a: 1}\n",
    "timm": {"architecture": "resnet50", "pretrained_cfg": {"tag": "a1_in1k", "mean": [0.1]}},
    "mlflow": (
        "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n    data: model.pkl\n"
        "  sklearn:\n    code: null\n    pickled_model: model.pkl\n"
    ),
    "card": "---\nlicense: apache-2.0\n---\n# Title\n\nSet `_target_: my.Class` in the file.\n",
    "YAML anchors": "anchors: &a [10, 13]\nb: *a\n",
}


def _encode(document: Any) -> bytes:
    if isinstance(document, bytes):
        return document
    return (document if isinstance(document, str) else json.dumps(document)).encode()


BAD = {name: _encode(document) for name, document in _BAD.items()}
GOOD = {name: _encode(document) for name, document in _GOOD.items()}
