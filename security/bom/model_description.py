"""The description of a model: the content of its bill of materials, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from security.bom.cyclonedx import clean


class ComponentRole(Enum):
    """The type of a component in CycloneDX."""

    MODEL = "machine-learning-model"
    DATA = "data"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class ModelMaterial:
    """The model itself, or an input of it.

    Attributes:
        location: relative to the repository, or an address.
        sha256: the digest of its bytes, or of a directory's listing; empty if it was not read.
        md5: DVC's hash; empty without one.
        files: a directory's paths and their sha256.
        not_read: the reason why it was not read; empty if it was.
        stage: the stage that wrote it; empty for an input of the project.
        source: the address that it was imported from; may be empty.
        revision: the commit of that source.
        names: its names in ``artifacts:``.
        made_from: locations that its stage read.
    """

    role: ComponentRole
    location: str
    sha256: str = ""
    md5: str = ""
    files: tuple[tuple[str, str], ...] = ()
    not_read: str = ""
    stage: str = ""
    source: str = ""
    revision: str = ""
    description: str = ""
    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    made_from: tuple[str, ...] = ()

    @property
    def ref(self) -> str:
        """Return its reference in the bill."""
        return f"{self.role.value}:{clean(self.location)}"


@dataclass(frozen=True, slots=True)
class Metric:
    """A number about the model.

    Attributes:
        slice: the part of the data; empty for all.
    """

    type: str
    value: str
    slice: str = ""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Statements about a model that no file contains.

    Attributes:
        approach: ``supervised``, ``unsupervised``, ``reinforcement-learning``, ``semi-supervised``
            or ``self-supervised``; empty if not stated.
        algorithm: the model's architecture, such as the class of a library.
        family: the kind of algorithm.
        risks: ethical considerations, each with its mitigation.
    """

    task: str = ""
    approach: str = ""
    algorithm: str = ""
    family: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    use_cases: tuple[str, ...] = ()
    limitations: tuple[str, ...] = ()
    tradeoffs: tuple[str, ...] = ()
    risks: tuple[tuple[str, str], ...] = ()
    licence: str = ""


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """The content of a model's bill.

    Attributes:
        materials: the inputs of the model.
        parameters: names and values that its stages read.
        facts: further properties of the card, by name.
        provenance: the sha256 of statements about the model.
    """

    model: ModelMaterial
    card: ModelCard
    materials: tuple[ModelMaterial, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    metrics: tuple[Metric, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    provenance: tuple[str, ...] = ()
