"""A workspace bucket in moto, with its tables, and calls of tools in it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from moto import mock_aws

from shared.aws.database import Database
from shared.aws.objects import S3Objects
from shared.tools.contract import ToolContext
from shared.tools.delete_workspace_file import DeleteWorkspaceFile, DeleteWorkspaceFileInput, WorkspaceFileDeleted
from shared.tools.list_workspace_files import ListWorkspaceFiles, ListWorkspaceFilesInput, WorkspaceFiles
from shared.tools.read_workspace_file import ReadWorkspaceFile, ReadWorkspaceFileInput, WorkspaceFileContent
from shared.tools.workspace.outputs import ToolOutputs
from shared.tools.workspace.records import usage_row
from shared.tools.workspace.store import Workspace
from shared.tools.write_workspace_file import WorkspaceFileWritten, WriteWorkspaceFile, WriteWorkspaceFileInput
from tests.support.aws import aws_client
from tests.support.faults import AwsWatch
from tests.support.region import create_tables
from tests.support.time import FakeClock

BUCKET = "workspace"
QUOTA = 1_000_000


@dataclass
class Desk:
    """The file tools, at work for whomever a test says."""

    database: Database
    objects: S3Objects
    clock: FakeClock
    s3: Any
    watch: AwsWatch
    quota: int = QUOTA
    _calls: Iterator[int] = field(default_factory=count)

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.database, self.objects, self.clock, self.quota)

    @property
    def outputs(self) -> ToolOutputs:
        return ToolOutputs(self.objects)

    def call(self, user: str = "ada", session: str = "S1", call_id: str | None = None, task: str = "T1") -> ToolContext:
        """A call of its own, unless it has an id."""
        return ToolContext(user, session, task, call_id or f"call_{next(self._calls)}")

    def write(
        self, path: str, content: str | None = "text", context: ToolContext | None = None, **more: Any
    ) -> WorkspaceFileWritten:
        arguments = WriteWorkspaceFileInput.model_validate({"path": path, "content": content, **more})
        return WriteWorkspaceFile(self.workspace).run(context or self.call(), arguments)

    def read(self, path: str, context: ToolContext | None = None, **more: Any) -> WorkspaceFileContent:
        arguments = ReadWorkspaceFileInput.model_validate({"path": path, **more})
        return ReadWorkspaceFile(self.workspace, self.outputs).run(context or self.call(), arguments)

    def delete(self, path: str, context: ToolContext | None = None) -> WorkspaceFileDeleted:
        return DeleteWorkspaceFile(self.workspace).run(context or self.call(), DeleteWorkspaceFileInput(path=path))

    def page(self, context: ToolContext | None = None, **more: Any) -> WorkspaceFiles:
        arguments = ListWorkspaceFilesInput.model_validate(more)
        return ListWorkspaceFiles(self.workspace).run(context or self.call(), arguments)

    def paths(self, context: ToolContext | None = None) -> list[str]:
        return [file.path for file in self.page(context).files]

    def object_keys(self) -> list[str]:
        """All that is in the bucket."""
        return [entry["Key"] for entry in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]

    def used(self, user: str = "ada") -> int:
        """What counts against the user's quota."""
        row = self.database.get(usage_row(user))
        return int(row["bytes"]) if row else 0


def build_desk(database: Database, clock: FakeClock, watch: AwsWatch) -> Desk:
    """A desk with a bucket of its own; must be called inside `mock_aws`."""
    consumer = aws_client("s3", "us-east-1")
    consumer.create_bucket(Bucket=BUCKET)
    s3 = aws_client("s3", "us-east-1")
    watch.attach(s3)
    return Desk(database, S3Objects(lambda: s3, BUCKET), clock, consumer, watch)


def desks() -> Iterator[Desk]:
    """A desk with tables of its own, for as long as moto is there."""
    with mock_aws():
        clock, watch = FakeClock(), AwsWatch()
        dynamodb = aws_client("dynamodb")
        create_tables(dynamodb)
        watch.attach(dynamodb)
        yield build_desk(Database(dynamodb, {"state": "state", "chunks": "chunks"}, clock), clock, watch)
