"""Switches a stage's access logs on and gives back what was; every step can be repeated after an interruption.

The order of the writes makes it so: what was there is remembered before it is replaced, a destination is known as ours
before the stage gets it, and the memory goes once the stage has its own back.
"""

from dataclasses import asdict, dataclass, replace

from stage_logging.memory import Memory, MemoryStore
from stage_logging.stages import AccessLog, Stage, StageMissing, Stages


@dataclass(frozen=True)
class Wanted:
    """What a stage is to log; `replace_existing`: also where it logs to somebody else's destination now."""

    stage: Stage
    log: AccessLog
    replace_existing: bool


@dataclass(frozen=True)
class Answer:
    """`outcome` says what was done, `earlier` what the stage logged before it was metered."""

    outcome: str
    earlier: AccessLog | None

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


class NotOurs(Exception):
    """The stage has settings that are not ours to change; the message says whose, and what to do."""


def switch_on(wanted: Wanted, stages: Stages, store: MemoryStore) -> Answer:
    """Have the stage log what is wanted, and remember what it logged before.

    Raises NotOurs, StageMissing, MemoryUnreadable and Refusal.
    """
    current = stages.read(wanted.stage)
    memory = store.read()
    if memory is not None and memory.stage != wanted.stage:
        raise NotOurs(
            f"Parameter {store.name} remembers what {memory.stage} logged before: this entry named it once, and has "
            "not given it back. Name that stage again and apply, then remove the entry and apply; or, if that stage "
            "needs nothing back, delete the parameter."
        )
    _check_owner(current, memory, wanted, store)
    if memory is None:
        memory = Memory(wanted.stage, current, (wanted.log.destination_arn,))
        store.create(memory)
    elif wanted.log.destination_arn not in memory.destinations:
        memory = replace(memory, destinations=(*memory.destinations, wanted.log.destination_arn))
        store.replace(memory)
    if current == wanted.log:
        return Answer("up_to_date", memory.before)
    stages.write(wanted.stage, wanted.log)
    return Answer("switched_on", memory.before)


def give_back(stage: Stage, stages: Stages, store: MemoryStore) -> Answer:
    """Have the stage log what it logged before it was switched on, and forget it.

    Leaves alone what somebody else has changed since. A stage that is gone is forgotten. Raises NotOurs,
    MemoryUnreadable and Refusal.
    """
    memory = store.read()
    if memory is None:
        return Answer("nothing_to_give_back", None)
    if memory.stage != stage:
        raise NotOurs(
            f"Parameter {store.name} remembers {memory.stage}, not {stage}. Put that stage's access logs right by "
            "hand and delete the parameter."
        )
    outcome = _restore(memory, stages)
    store.delete()
    return Answer(outcome, memory.before)


def _restore(memory: Memory, stages: Stages) -> str:
    try:
        current = stages.read(memory.stage)
    except StageMissing:
        return "stage_is_gone"
    if current == memory.before:
        return "given_back"
    if current is None or not _is_ours(current, memory.destinations):
        return "left_as_changed_since"
    if memory.before is None:
        stages.clear(memory.stage)
    else:
        stages.write(memory.stage, memory.before)
    return "given_back"


def _check_owner(current: AccessLog | None, memory: Memory | None, wanted: Wanted, store: MemoryStore) -> None:
    if current is None:
        return
    if memory is None and current == wanted.log:
        raise NotOurs(
            f"The {wanted.stage} logs to {current.destination_arn} in this very format already, and parameter "
            f"{store.name} does not remember what was before. If its entry was renamed, apply again: the stage has "
            "been given back under the old name by then. If its owner has set this, it is metered: remove the entry. "
            "Otherwise switch the stage's access logs off, and apply again."
        )
    ours = (*(memory.destinations if memory else ()), wanted.log.destination_arn)
    if not wanted.replace_existing and not _is_ours(current, ours):
        raise NotOurs(
            f"The {wanted.stage} logs to {current.destination_arn} already, and a stage has one destination. To meter "
            "it all the same, set `replace_existing = true` in its entry: what it logs now is remembered and given "
            "back when the entry goes. To keep what it logs now, remove the entry, and have that log group metered by "
            "`existing_log_groups`."
        )


def _is_ours(log: AccessLog, destinations: tuple[str, ...]) -> bool:
    return any(log.goes_to(each) for each in destinations)
