"""`run_mcp_tool` against a real MCP server on the loopback interface."""

import json
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from cryptography import x509

from shared.kernel.errors import ConfigError, ToolError
from shared.kernel.settings import McpServer
from shared.tools.contract import Cancellation, ToolContext
from shared.tools.mcp.servers import McpServers
from shared.tools.run_mcp_tool import McpResult, McpTools, RunMcpTool, RunMcpToolInput
from shared.tools.web.network import Network
from tests.support.authority import Authority
from tests.unit.tools.loopback import context
from tests.unit.tools.mcp_loopback import Kitchen, answering, serving


@pytest.fixture(scope="module")
def kitchen() -> Iterator[tuple[Kitchen, str]]:
    """A server, and its URL."""
    made = Kitchen()
    with serving(made.app()) as port:
        yield made, f"http://127.0.0.1:{port}/mcp"


def tool(
    url: str, *, headers: str = "", kept: str = "{}", network: Network | None = None, seconds: float = 20
) -> RunMcpTool:
    """The tool, with one server on its list."""
    servers = [McpServer(url=url, name="kitchen", headers_parameter=headers)]
    return RunMcpTool(McpServers(servers, lambda _name: kept, network), seconds=seconds)


def discover(ran: RunMcpTool, wanted: str = "kitchen") -> McpTools:
    answer = ran.run(context(), RunMcpToolInput(server_url=wanted))
    assert isinstance(answer, McpTools)
    return answer


def call(ran: RunMcpTool, name: str, given: ToolContext | None = None, **arguments: object) -> McpResult:
    wanted = RunMcpToolInput(server_url="kitchen", tool_name=name, tool_arguments=arguments)
    answer = ran.run(given or context(), wanted)
    assert isinstance(answer, McpResult)
    return answer


def refusal(ran: RunMcpTool, name: str | None = None, **arguments: object) -> ToolError:
    with pytest.raises(ToolError) as refused:
        ran.run(context(), RunMcpToolInput(server_url="kitchen", tool_name=name, tool_arguments=arguments or None))
    return refused.value


def test_without_a_tool_name_the_tools_are_listed(kitchen: tuple[Kitchen, str]) -> None:
    """With what each does and takes."""
    found = discover(tool(kitchen[1]))

    assert [offered.name for offered in found.tools] == ["cook", "burn", "simmer", "recipe", "photo"]
    assert found.tools[0].description == "Cook a dish."
    schema = found.tools[0].input_schema
    assert schema is not None
    assert schema["required"] == ["dish"]
    assert (found.server, found.truncated) == ("kitchen", False)


def test_a_tool_is_run_with_its_arguments(kitchen: tuple[Kitchen, str]) -> None:
    """Its text and its structured result come back; the server is named by its URL or its name."""
    ran = tool(kitchen[1])
    answer = call(ran, "cook", dish="soup", servings=3)

    assert (answer.content, answer.structured) == ("3 x soup", {"result": "3 x soup"})
    assert discover(ran, kitchen[1]).server == discover(ran, kitchen[1] + "/").server == "kitchen"


def test_what_is_no_text_is_named(kitchen: tuple[Kitchen, str]) -> None:
    """A picture costs a line, not its bytes."""
    assert call(tool(kitchen[1]), "photo").content == "[image, image/png, 8 bytes, not shown]"


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [("burn", {"dish": "toast"}, "burn"), ("cook", {"servings": "many"}, "servings"), ("fly", {}, "fly")],
)
def test_a_tool_that_fails_is_an_error_for_the_model(
    kitchen: tuple[Kitchen, str], name: str, arguments: dict[str, object], said: str
) -> None:
    """With the server's own words: the model may do better."""
    refused = refusal(tool(kitchen[1]), name, **arguments)

    assert refused.code == "mcp_tool_error"
    assert said in refused.message


def test_only_listed_servers_are_asked(kitchen: tuple[Kitchen, str]) -> None:
    """Neither another host nor another path of an allowed one; the error says what is allowed."""
    ran = tool(kitchen[1])
    before = len(kitchen[0].headers)

    for wanted in ("http://127.0.0.1:1/mcp", kitchen[1].replace("/mcp", "/admin"), kitchen[1] + "?x", "x"):
        with pytest.raises(ToolError, match="kitchen") as refused:
            discover(ran, wanted)
        assert refused.value.code == "mcp_server_not_allowed"
    assert len(kitchen[0].headers) == before


def test_arguments_without_a_tool_are_refused(kitchen: tuple[Kitchen, str]) -> None:
    """The model forgot something; a list of tools would not tell it."""
    assert refusal(tool(kitchen[1]), None, dish="soup").code == "mcp_tool_missing"


def test_secret_headers_reach_the_server_and_nothing_else_does(kitchen: tuple[Kitchen, str]) -> None:
    """They come from the parameter store; the server isn't told whose call it is."""
    call(tool(kitchen[1], headers="/parley/mcp/kitchen", kept='{"Authorization": "Bearer s3cret"}'), "cook", dish="x")

    sent = kitchen[0].headers[-1]
    assert sent["authorization"] == "Bearer s3cret"
    assert "user" not in json.dumps({k: v for k, v in sent.items() if k != "user-agent"})


@pytest.mark.parametrize("secret", ["not json", "[]", '{"a": 1}'])
def test_headers_that_are_none_are_the_operators_mistake(kitchen: tuple[Kitchen, str], secret: str) -> None:
    """The error says so, and nothing of what the secret is."""
    refused = refusal(tool(kitchen[1], headers="/parley/mcp/kitchen", kept=secret))

    assert refused.code == "mcp_misconfigured"
    assert secret not in refused.message


def test_a_parameter_that_cannot_be_read_is_too(kitchen: tuple[Kitchen, str]) -> None:
    """A missing secret fails the call, not the turn."""

    def unreadable(name: str) -> str:
        raise ConfigError("no such parameter")

    servers = [McpServer(url=kitchen[1], name="kitchen", headers_parameter="/parley/mcp/kitchen")]
    assert refusal(RunMcpTool(McpServers(servers, unreadable))).code == "mcp_misconfigured"


def resolving(*addresses: str, port: int = 0, **more: object) -> Network:
    """A network in which every name has these addresses."""

    def resolve(host: str, port: int) -> Sequence[str]:
        return list(addresses)

    return Network(resolve=resolve, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "::ffff:10.0.0.1"])
def test_a_listed_name_must_not_lead_inside(kitchen: tuple[Kitchen, str], address: str) -> None:
    """Public addresses only, as for web_fetch: a name whose owner points it elsewhere opens nothing."""
    port = kitchen[1].split(":")[2].removesuffix("/mcp")
    before = len(kitchen[0].headers)

    refused = refusal(tool(f"http://mcp.example.com:{port}/mcp", network=resolving("93.184.216.34", address)))

    assert refused.code == "url_not_allowed"
    assert len(kitchen[0].headers) == before


def test_a_listed_private_address_is_refused() -> None:
    """Only loopback can be spelled out, for a machine of one's own."""
    assert refusal(tool("http://10.0.0.7:8000/mcp")).code == "url_not_allowed"


def test_the_address_that_was_checked_is_the_one_that_is_used(kitchen: tuple[Kitchen, str]) -> None:
    """A name is looked up once; the request goes to that address under the server's own name."""
    port = kitchen[1].split(":")[2].removesuffix("/mcp")
    asked: list[str] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.2", "127.0.0.1"]  # nobody listens at the first: the server has one address

    network = Network(resolve=resolve, is_allowed=lambda _address: True)
    answer = call(tool(f"http://mcp.example.com:{port}/mcp", network=network), "cook", dish="soup")

    assert answer.content == "1 x soup"
    assert asked == ["mcp.example.com"]
    assert kitchen[0].headers[-1]["host"] == f"mcp.example.com:{port}"


def test_over_https_the_server_must_prove_its_name(tmp_path: Path) -> None:
    """The pinned address has to have a certificate for the name on the list."""
    authority = Authority()
    authority.serving(tmp_path, x509.DNSName("mcp.example.com"))
    made = Kitchen()
    with serving(made.app(), tls=tmp_path / "server.pem") as port:

        def at(name: str, trusted: ssl.SSLContext) -> RunMcpTool:
            network = resolving("127.0.0.1", is_allowed=lambda _address: True, ssl_context=lambda: trusted)
            return tool(f"https://{name}:{port}/mcp", network=network)

        assert call(at("mcp.example.com", authority.trusted()), "cook", dish="pie").content == "1 x pie"
        assert refusal(at("other.example.com", authority.trusted())).code == "mcp_unreachable"
        assert refusal(at("mcp.example.com", Authority().trusted())).code == "mcp_unreachable"
    assert made.cooked == ["pie"]


@pytest.mark.parametrize("stateless", [True, False])
def test_older_servers_are_understood(stateless: bool) -> None:
    """One that knows only the handshake of before is asked in that way, and its session is closed."""
    made = Kitchen()
    modern = made.app(stateless=stateless)

    async def old(scope, receive, send):  # type: ignore[no-untyped-def]
        headers = dict(scope.get("headers", []))
        if headers.get(b"mcp-method") == b"server/discover":
            await answering(400, b"Bad Request")(scope, receive, send)
        else:
            await modern(scope, receive, send)

    with serving(old) as port:
        ran = tool(f"http://127.0.0.1:{port}/mcp")
        assert call(ran, "cook", dish="stew").content == "1 x stew"
        assert len(discover(ran).tools) == 5


def test_a_slow_tool_is_cut_at_the_cap(kitchen: tuple[Kitchen, str]) -> None:
    """The turn goes on with an error."""
    began = time.monotonic()
    refused = refusal(tool(kitchen[1], seconds=1.0), "simmer", seconds=30)

    assert refused.code == "mcp_timed_out"
    assert time.monotonic() - began < 10


def test_a_cancelled_call_ends_at_once(kitchen: tuple[Kitchen, str]) -> None:
    """Stop reaches a call that waits for a server."""
    made, url = kitchen
    made.entered.clear()
    cancellation = Cancellation()
    ended: list[str] = []

    def work() -> None:
        try:
            call(tool(url), "simmer", ToolContext("u", "s", "t", "c", 300, cancellation), seconds=30)
        except ToolError as error:
            ended.append(error.code)

    thread = threading.Thread(target=work)
    thread.start()
    assert made.entered.wait(20)
    cancellation.cancel()
    thread.join(10)

    assert ended == ["cancelled"]
    cancellation.cancel()


def test_a_call_that_was_cancelled_before_does_nothing(kitchen: tuple[Kitchen, str]) -> None:
    """Nobody is asked any more."""
    cancellation = Cancellation()
    cancellation.cancel()
    before = len(kitchen[0].headers)

    with pytest.raises(ToolError) as refused:
        call(tool(kitchen[1]), "cook", ToolContext("u", "s", "t", "c", 300, cancellation), dish="x")

    assert refused.value.code == "cancelled"
    assert len(kitchen[0].headers) == before


def test_an_answer_without_end_is_cut(kitchen: tuple[Kitchen, str]) -> None:
    """More than 10 MB is not taken in."""
    refused = refusal(tool(kitchen[1]), "recipe", characters=11_000_000)

    assert refused.code == "mcp_output_too_large"


def test_a_list_of_many_tools_is_cut() -> None:
    """To what a row can hold; the answer says so."""
    with serving(Kitchen().app(tools=80)) as port:
        found = discover(tool(f"http://127.0.0.1:{port}/mcp"))

    assert found.truncated
    assert 20 < len(found.tools) < 85
    assert max(len(offered.description) for offered in found.tools) == 1_000
    assert len(found.model_dump_json().encode()) < 64_000


@pytest.mark.parametrize(
    ("status", "body", "headers", "code"),
    [
        (401, b"", [], "mcp_unauthorized"),
        (403, b"no", [], "mcp_unauthorized"),
        (503, b"", [], "mcp_server_failed"),
        (404, b"", [], "mcp_error"),
        (200, b"<html>", [("content-type", "text/html")], "mcp_error"),
        (200, b"{}", [("content-type", "application/json")], "mcp_error"),
        (200, b"\x1f\x8b", [("content-type", "application/json"), ("content-encoding", "gzip")], "mcp_bad_answer"),
        (307, b"", [("location", "http://169.254.169.254/latest")], "mcp_error"),
        (200, b"{" * 11_000_000, [("content-type", "application/json")], "mcp_output_too_large"),
    ],
)
def test_a_server_that_is_none_is_an_error(status: int, body: bytes, headers: list[tuple[str, str]], code: str) -> None:
    """Each failure has its code; a redirect elsewhere is not followed, and nothing hangs."""
    with serving(answering(status, body, *headers)) as port:
        assert refusal(tool(f"http://127.0.0.1:{port}/mcp")).code == code


def test_a_server_that_is_down_is_an_error() -> None:
    """Nobody listens."""
    assert refusal(tool("http://127.0.0.1:9/mcp")).code == "mcp_unreachable"


def test_a_call_is_never_repeated() -> None:
    """It may have changed something: after a kill the model hears that the outcome is unknown."""
    assert RunMcpTool.side_effect
