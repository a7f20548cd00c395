"""What a stage logged before: kept in an SSM parameter, where it survives a lost state and a re-created function."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from stage_logging.aws import Caller, Refusal
from stage_logging.stages import AccessLog, Stage


@dataclass(frozen=True)
class Memory:
    """`before` is what the stage logged when it was first found, None is nothing; `destinations` are all those that
    it has been, or was about to be, switched to since: what it logs to one of them is ours to take away.
    """

    stage: Stage
    before: AccessLog | None
    destinations: tuple[str, ...]

    def to_json(self) -> str:
        text = json.dumps(asdict(self), separators=(",", ":"))
        # SSM takes {{ for a reference to another parameter; outside of strings, JSON never has it.
        return text.replace("{{", r"{\u007b")

    @classmethod
    def from_json(cls, text: str) -> "Memory":
        """Raises ValueError, also for JSON of another shape."""
        try:
            values = json.loads(text)
            before = values["before"]
            return cls(
                Stage(**values["stage"]),
                AccessLog(**before) if before is not None else None,
                tuple(str(each) for each in values["destinations"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(str(error)) from error


class MemoryUnreadable(Exception):
    """The parameter holds something else."""


class MemoryStore(Protocol):
    """One stage's memory. All raise Refusal."""

    @property
    def name(self) -> str:
        """Where it is."""

    def read(self) -> Memory | None:
        """None where nothing is remembered. Raises MemoryUnreadable."""

    def create(self, memory: Memory) -> None:
        """Refused with `ParameterAlreadyExists` where something is remembered."""

    def replace(self, memory: Memory) -> None:
        """Write over what is remembered."""

    def delete(self) -> None:
        """Forget; nothing to forget is as well."""


class Parameter:
    """https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html"""

    def __init__(self, ssm: Any, name: str, caller: Caller) -> None:
        self._client = ssm
        self._name = name
        self._caller = caller

    @property
    def name(self) -> str:
        return self._name

    def read(self) -> Memory | None:
        try:
            found = self._caller.call(self._client.get_parameter, Name=self._name)
        except Refusal as error:
            if error.code == "ParameterNotFound":
                return None
            raise
        try:
            return Memory.from_json(found["Parameter"]["Value"])
        except ValueError as error:
            raise MemoryUnreadable(self._name) from error

    def create(self, memory: Memory) -> None:
        self._put(memory, overwrite=False)

    def replace(self, memory: Memory) -> None:
        self._put(memory, overwrite=True)

    def delete(self) -> None:
        try:
            self._caller.call(self._client.delete_parameter, Name=self._name)
        except Refusal as error:
            if error.code != "ParameterNotFound":
                raise

    def _put(self, memory: Memory, overwrite: bool) -> None:
        self._caller.call(
            self._client.put_parameter,
            Name=self._name,
            Description=f"Access logs of {memory.stage} before Revenium metered it, given back when it no longer does.",
            Type="String",
            # A format of API Gateway's 3 KB can be more than the 4 KB that a standard parameter holds.
            Tier="Intelligent-Tiering",
            Value=memory.to_json(),
            Overwrite=overwrite,
        )
