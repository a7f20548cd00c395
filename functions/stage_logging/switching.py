"""Switches a stage's access logs on and gives back what was; every step can be repeated after an interruption.

The order of the writes makes it so: what was there is remembered before it is replaced, a destination is known as ours
before the stage gets it, and the memory goes once the stage has its own back.
"""

from dataclasses import asdict, dataclass, replace

from stage_logging.aws import Refusal
from stage_logging.memory import Memory, MemoryStore
from stage_logging.stages import AccessLog, Stage, StageMissing, Stages, names_nothing


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
    elif (brought_up := _with(memory, current, wanted)) != memory:
        memory = brought_up
        store.replace(memory)
    if current == wanted.log:
        return Answer("up_to_date", memory.before)
    stages.write(wanted.stage, wanted.log)
    return Answer("switched_on", memory.before)


def give_back(stage: Stage, stages: Stages, store: MemoryStore) -> Answer:
    """Have the stage log what it logged before it was switched on, and forget it.

    Leaves alone what somebody else has changed since. A stage that is gone is forgotten, and one whose destination of
    before is gone logs nothing. Raises NotOurs, MemoryUnreadable and Refusal.
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
    before = memory.before
    if current == before:
        return "given_back"
    # Without a format, the last attempt may have been interrupted between clearing and writing.
    interrupted = current is None and before is not None and not before.format
    if not interrupted and (current is None or not _is_ours(current, memory.destinations)):
        return "left_as_changed_since"
    if before is None or not before.format:
        # What is not written stays: ours would be left as the format.
        stages.clear(memory.stage)
    if before is None:
        return "given_back"
    try:
        stages.write(memory.stage, before)
    except Refusal as error:
        if not names_nothing(error):
            raise
        stages.clear(memory.stage)
        return "earlier_destination_is_gone"
    return "given_back"


def _with(memory: Memory, current: AccessLog | None, wanted: Wanted) -> Memory:
    """The memory, with the destination that is wanted, and with what its owner has set since to be given back."""
    ours = memory.destinations
    if wanted.log.destination_arn not in ours:
        ours = (*ours, wanted.log.destination_arn)
    theirs = current is not None and not _is_ours(current, ours)
    return replace(memory, before=current if theirs else memory.before, destinations=ours)


def _check_owner(current: AccessLog | None, memory: Memory | None, wanted: Wanted, store: MemoryStore) -> None:
    if current is None:
        return
    if memory is None and current.goes_to(wanted.log.destination_arn):
        # In another format too: it is that of the version before, where one apply renames the entry and brings a new
        # format, and taken for the owner's it would be given back to a log group that goes with us.
        raise NotOurs(
            f"The {wanted.stage} logs to {current.destination_arn} already, and parameter {store.name} does not "
            "remember what was before. If its entry was renamed, apply again: the stage has been given back under the "
            "old name by then. If its owner has set this, it is metered: remove the entry. Otherwise switch the "
            "stage's access logs off, and apply again."
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
