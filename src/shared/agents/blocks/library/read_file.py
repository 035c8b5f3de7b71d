"""A file of the workspace, read."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from shared.agents.blocks.contract import (
    Block,
    BlockContext,
    BlockInput,
    BlockOutput,
    BlockServices,
    Category,
    Example,
    Given,
)
from shared.agents.blocks.rules.json_text import read_json
from shared.kernel.errors import ToolError
from shared.tools.workspace.paths import normal_path
from shared.tools.workspace.store import no_such_file

MOST_BYTES = 1_000_000


class ReadFileInput(BlockInput):
    """Which one."""

    path: str = Field(min_length=1, max_length=600, description="Relative path, such as reports/today.md")
    as_json: bool = Field(default=False, description="Emit the JSON value that the file holds, not its text.")


class ReadFileOutput(BlockOutput):
    """What it holds."""

    content: Any = None
    size: int = Field(default=0, description="Bytes.")


class ReadFile(Block[ReadFileInput, ReadFileOutput]):
    """Reads a text of the workspace of the session."""

    id: ClassVar[str] = "63c12c02-e038-4a47-bfd9-7ede1dc8f80d"
    name: ClassVar[str] = "Read a file"
    description: ClassVar[str] = "Read a text or JSON file of the workspace."
    category: ClassVar[Category] = "files"
    input_model: ClassVar[type[BlockInput]] = ReadFileInput
    output_model: ClassVar[type[BlockOutput]] = ReadFileOutput
    examples: ClassVar[Sequence[Example]] = (
        Example({"path": "a.txt"}, {"content": ["Hello"], "size": [5]}, Given(files={"a.txt": "Hello"})),
        Example(
            {"path": "a.json", "as_json": True}, {"content": [[1, 2]], "size": [5]}, Given(files={"a.json": "[1,2]"})
        ),
    )

    def is_available(self, services: BlockServices) -> bool:
        """With a bucket."""
        return services.files is not None

    def run(self, context: BlockContext, inputs: ReadFileInput) -> ReadFileOutput:
        """Read it."""
        files, path, session = context.services.files, normal_path(inputs.path), context.call.session_id
        assert files is not None, "it is not available without"
        file = files.find(session, path)
        if file is None:
            raise no_such_file(path)
        if file.size > MOST_BYTES:
            raise ToolError(f"The file has {file.size} bytes; {MOST_BYTES} can be read.", code="content_too_large")
        body = files.read(session, file)
        return ReadFileOutput(content=_content(body, inputs.as_json), size=file.size)


def _content(body: bytes, as_json: bool) -> Any:
    try:
        text = body.decode()
        return read_json(text) if as_json else text
    except UnicodeDecodeError:
        raise ToolError("The file is not text.", code="unsupported_content") from None
    except ValueError:
        raise ToolError("The file is not JSON.", code="invalid_json") from None
