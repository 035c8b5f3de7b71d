"""What is stored of a run besides its task.

| record    | pk                             | sk                           | notes |
|-----------|--------------------------------|------------------------------|-------|
| run       | `TASK#{run}`                   | `RUN`                        | on GSI1: `RUNS#{user}`, as in the list |
| list      | `RUNS#{user}#AGENT#{agent}`    | `{created, 13 digits}#{run}` | names the run of a library agent |
| execution | `TASK#{run}`                   | `NODE#{node}#{6 digits}`     | one that has ended, and its outputs |
| piece     | `TASK#{run}`                   | `NODE#{node}#{6 digits}#{3}` | more of an execution's long outputs |
| order     | `TASK#{run}`                   | `ORDER#{first, 6 digits}`    | ids of those that were stored at once |
| call      | `TASK#{run}`                   | `CALL#{node}.{index}`        | as of a tool call: started, or waiting |

All of it goes when the run's task does, at `expires_at`: the time that a run may take, and `run_retention_days` after
that. It is set when a row is written, so nothing has to be written at a run's end, and no run loses rows before.

The task, its timer and its child row are those of every task. The number
that an execution has in `order` says as how many-th it was stored: what has run is read back in that order.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.agents.running import Origin, RunStatus
from shared.aws.database import Database
from shared.aws.writes import Item, Put, Write
from shared.kernel.errors import Invalid, TooLarge
from shared.kernel.nesting import MAX_VALUE_DEPTH, nests_within
from shared.tasks.records import Spend, Task

RECORD_VERSION = 1
MAX_INPUT_BYTES = 200_000
"""Of a run's inputs as JSON."""
_MOST_OF_RECORD = 390_000
"""Of what a run's record has of its inputs and outputs: an item must stay below 400 KB."""
_PIECE_BYTES = 300_000
"""Of outputs in one row."""
_SHOWN_BYTES = 4_000
"""Of an execution's inputs that are kept to be shown."""
_SHOWN_CHARACTERS = 400
_SHOWN_FIELDS = 20

_LAST = 999_999
"""No execution has a higher number."""

ExecutionStatus = Literal["completed", "failed"]


@dataclass(frozen=True)
class Run:
    """A run as it was asked for, and how it has ended."""

    id: str
    user_id: str
    library_agent_id: str
    graph_id: str
    version: int
    agent_name: str
    inputs: str
    """JSON text."""
    origin: Origin
    created_at: int
    output_nodes: Sequence[Sequence[str]]
    """Name and node of each output, in the order of the graph."""
    secret_inputs: Sequence[str] = ()
    """Names of those that are not shown."""
    chat_session_id: str = ""
    schedule_id: str = ""
    dry_run: bool = False
    expires_at: int = 0
    """When its records go, in seconds; 0: they stay, as those of earlier versions do."""
    status: RunStatus | None = None
    """None: it has not ended, and its task says where it is."""
    started_at: int | None = None
    ended_at: int | None = None
    nodes_done: int = 0
    credits: int = 0
    tokens: int = 0
    cost_micros: int = 0
    error: str = ""
    error_code: str = ""

    def has_expired(self, now: float) -> bool:
        """Whether it is only there because DynamoDB deletes late; `now` in seconds."""
        return 0 < self.expires_at <= now

    def puts(self) -> list[Write]:
        """The writes that create it."""
        fields = {name: value for name, value in vars(self).items() if name != "id" and value not in (None, "")}
        item = {
            **run_key(self.id),
            "v": RECORD_VERSION,
            **fields,
            "output_nodes": [list(pair) for pair in self.output_nodes],
            "secret_inputs": list(self.secret_inputs),
            "gsi1pk": user_list(self.user_id),
            "gsi1sk": self._place,
        }
        listed = {"pk": agent_list(self.user_id, self.library_agent_id), "sk": self._place}
        row = {**listed, "v": RECORD_VERSION, "run_id": self.id, "expires_at": self.expires_at}
        return [Put(item, condition="attribute_not_exists(#pk)"), Put(row)]

    @property
    def _place(self) -> str:
        """In lists: ids can't say it, since those of children and of chats are as old as who has started them."""
        return f"{self.created_at:013d}#{self.id}"

    @classmethod
    def from_item(cls, item: Item) -> "Run":
        """The record from its stored form; fields of later versions are left out."""
        known = {name: item[name] for name in cls.__dataclass_fields__ if name in item}
        return cls(**{**known, "id": str(item["pk"]).removeprefix("TASK#")})


@dataclass(frozen=True)
class Execution:
    """One execution of one node that has ended."""

    node_id: str
    index: int
    order: int
    """As how many-th of the run it was stored, from 0."""
    status: ExecutionStatus
    block_id: str
    outputs: str
    """JSON text: output to the list of its values."""
    inputs: str
    """JSON text, cut: to be shown."""
    started_at: int
    ended_at: int
    credits: int = 0
    spend: Spend = field(default_factory=Spend)
    error: str = ""
    error_code: str = ""
    parts: int = 0
    """Values that it has brought, those within others included."""

    @property
    def id(self) -> str:
        """By which its run knows it, as the call of a tool."""
        return f"{self.node_id}.{self.index}"

    @property
    def size(self) -> int:
        """Bytes of its values."""
        return len(self.outputs.encode())

    def puts(self, task: Task) -> list[Write]:
        """The writes that store it with the run's task, once."""
        first, *more = pieces(self.outputs)
        hidden = {"node_id", "index", "outputs", "spend"}
        fields = {name: value for name, value in vars(self).items() if name not in hidden and value not in ("", 0)}
        spend = {name: value for name, value in vars(self.spend).items() if value}
        item = {
            **execution_key(task.id, self.node_id, self.index),
            **task.expiry,
            "v": RECORD_VERSION,
            **fields,
            "order": self.order,
            "outputs": first,
            **({"spend": spend} if spend else {}),
            **({"pieces": len(more)} if more else {}),
        }
        key = str(item["sk"])
        another = {"pk": item["pk"], **task.expiry, "v": RECORD_VERSION}
        further = [
            Put({**another, "sk": f"{key}#{number:03d}", "outputs": piece}) for number, piece in enumerate(more, 1)
        ]
        return [Put(item, condition="attribute_not_exists(#pk)"), *further]


def executions_among(records: Iterable[Item]) -> list[Execution]:
    """Those of a run's records that are executions, in the order in which they were stored."""
    whole: dict[str, Item] = {}
    for record in records:
        sort = str(record["sk"])
        if not sort.startswith("NODE#"):
            continue
        _, node_id, index, *piece = sort.split("#")
        if piece:  # keys come in order: the first row is there
            whole[f"{node_id}#{index}"]["outputs"] += record["outputs"]
        else:
            whole[f"{node_id}#{index}"] = {**record, "node_id": node_id, "index": int(index)}
    return sorted((_execution(item) for item in whole.values()), key=lambda one: one.order)


def _execution(item: Item) -> Execution:
    known = {name: item[name] for name in Execution.__dataclass_fields__ if name in item}
    numbers = {name: item.get(name, 0) for name in ("started_at", "ended_at")}
    return Execution(**{"inputs": "{}", **known, **numbers, "spend": Spend(**item.get("spend", {}))})


def load_run(database: Database, run_id: str) -> Run | None:
    """The run's record, or None."""
    item = database.get(run_key(run_id))
    return Run.from_item(item) if item else None


def load_executions(database: Database, run_id: str, node_id: str = "") -> list[Execution]:
    """The executions that have ended: all of them, or those of one node."""
    prefix = f"NODE#{node_id}#" if node_id else "NODE#"
    found = database.query("#pk = :pk AND begins_with(#sk, :prefix)", {"pk": f"TASK#{run_id}", "prefix": prefix})
    return executions_among(found)


def order_row(task: Task, group: Sequence[Execution]) -> Put:
    """The write by which a page of executions is found without reading the others."""
    key = {"pk": f"TASK#{task.id}", "sk": f"ORDER#{group[0].order:06d}"}
    return Put({**key, **task.expiry, "v": RECORD_VERSION, "ids": [one.id for one in group]})


def page_of_executions(database: Database, run_id: str, start: int, most: int) -> list[Execution]:
    """Those that were stored from the how-manieth on (from 0), `most` at the most."""
    ids: list[str] = []
    for row in _order_rows(database, run_id, start + most - 1):
        first = int(row["sk"].partition("#")[2])
        ids = [*row["ids"], *ids]
        if first <= start:
            ids = ids[start - first :]
            break
    keys = [execution_key(run_id, id_.rpartition(".")[0], int(id_.rpartition(".")[2])) for id_ in ids[:most]]
    heads = [item for item in database.get_many(keys) if item]
    return executions_among(row for head in heads for row in (head, *_pieces_of(database, head)))


def count_executions(database: Database, run_id: str) -> int:
    """How many have been stored."""
    last = next(_order_rows(database, run_id, _LAST, portion=1), None)
    return int(last["sk"].partition("#")[2]) + len(last["ids"]) if last else 0


def _order_rows(database: Database, run_id: str, last: int, portion: int = 100) -> Iterator[Item]:
    """The newest first."""
    values = {"pk": f"TASK#{run_id}", "low": "ORDER#", "high": f"ORDER#{min(last, _LAST):06d}"}
    return database.query("#pk = :pk AND #sk BETWEEN :low AND :high", values, forward=False, portion=portion)


def _pieces_of(database: Database, head: Item) -> Iterator[Item]:
    if "pieces" in head:
        values = {"pk": head["pk"], "prefix": f"{head['sk']}#"}
        yield from database.query("#pk = :pk AND begins_with(#sk, :prefix)", values)


def pieces(text: str) -> list[str]:
    """The text in parts that a row can hold, one at least."""
    encoded = text.encode()
    parts: list[str] = []
    at = 0
    while at == 0 or at < len(encoded):
        end = min(at + _PIECE_BYTES, len(encoded))
        while end < len(encoded) and (encoded[end] & 0xC0) == 0x80:  # in the middle of a character
            end -= 1
        parts.append(encoded[at:end].decode())
        at = max(end, 1)
    return parts


def written(values: Mapping[str, Any]) -> str:
    """JSON as it is stored.

    Raises:
        ValueError: it holds what JSON or UTF-8 can't, or nests too deeply.
    """
    if not nests_within(values, MAX_VALUE_DEPTH):
        raise ValueError("nested too deeply")
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text.encode()
    return text


def inputs_text(inputs: Mapping[str, Any], beside: int = 0) -> str:
    """A run's inputs as they are stored; `beside` bytes of its record are taken by what the agent's graph says.

    Raises:
        Invalid: they are no JSON, or nest too deeply.
        TooLarge: nobody could keep them.
    """
    try:
        text = written(inputs)
    except ValueError as error:
        message = f"The inputs are no JSON, or nest more than {MAX_VALUE_DEPTH} deep."
        raise Invalid(message, code="invalid_inputs") from error
    most = min(MAX_INPUT_BYTES, _MOST_OF_RECORD - beside)
    if len(text.encode()) > most:
        raise TooLarge(f"The inputs have more than {most} bytes.", code="inputs_too_large")
    return text


def shown(values: Mapping[str, Any]) -> str:
    """Some of the values, cut, as JSON text of a few kilobytes at most."""
    cut = {str(name)[:100]: _cut(value) for name, value in list(values.items())[:_SHOWN_FIELDS]}
    text = json.dumps(cut, ensure_ascii=True, separators=(",", ":"))
    while len(text) > _SHOWN_BYTES and cut:
        cut.pop(max(cut, key=lambda name: len(json.dumps(cut[name]))))
        text = json.dumps(cut, ensure_ascii=True, separators=(",", ":"))
    return text


def _cut(value: Any) -> Any:
    if isinstance(value, bool | int | None):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if len(text) <= _SHOWN_CHARACTERS:
        return value
    return text[: _SHOWN_CHARACTERS - 1] + "…"


def run_key(run_id: str) -> dict[str, str]:
    """Where a run's record is."""
    return {"pk": f"TASK#{run_id}", "sk": "RUN"}


def execution_key(run_id: str, node_id: str, index: int) -> dict[str, str]:
    """Where an execution's record is."""
    return {"pk": f"TASK#{run_id}", "sk": f"NODE#{node_id}#{index:06d}"}


def user_list(user_id: str) -> str:
    """The list of a user's runs, on GSI1."""
    return f"RUNS#{user_id}"


def agent_list(user_id: str, library_agent_id: str) -> str:
    """The list of the runs of a library agent."""
    return f"RUNS#{user_id}#AGENT#{library_agent_id}"
