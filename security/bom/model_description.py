"""The description of a model: what its bill of materials says, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from security.bom.cyclonedx import clean


class Role(Enum):
    """What something is to the model, as CycloneDX calls it."""

    MODEL = "machine-learning-model"
    DATA = "data"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Material:
    """The model itself, or something that it was made from.

    Attributes:
        location: relative to the repository, or an address.
        sha256: of its bytes; of a directory, of its listing. Empty if it was not read.
        md5: by which DVC knows it; empty if DVC does not.
        files: of a directory: paths and their sha256.
        not_read: why it was not read; empty if it was.
        stage: that wrote it; empty for what no stage wrote.
        source: the address that it was imported from; empty for anything else.
        revision: the commit of that source.
        names: of ``artifacts:`` that it goes by.
        made_from: locations of what the stage that wrote it has read.
    """

    role: Role
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
        """Return what the rest of the bill calls it."""
        return f"{self.role.value}:{clean(self.location)}"


@dataclass(frozen=True, slots=True)
class Metric:
    """A number about the model.

    Attributes:
        slice: what part of the data it is about; empty for all.
    """

    type: str
    value: str
    slice: str = ""


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What somebody has to state about a model, because no file says it.

    Attributes:
        approach: ``supervised``, ``unsupervised``, ``reinforcement-learning``, ``semi-supervised``
            or ``self-supervised``; empty if not stated.
        algorithm: the model's architecture, such as a class of a library.
        family: the kind of algorithm.
        risks: ethical considerations, with what is done about each.
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
    """All that the bill says.

    Attributes:
        materials: what the model was made from, itself left out.
        parameters: names and values of what the stages that made it have read.
        facts: further things to say on the card, by name.
        provenance: the sha256 of statements about the model.
    """

    model: Material
    card: ModelCard
    materials: tuple[Material, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    metrics: tuple[Metric, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    provenance: tuple[str, ...] = ()
