"""How a region comes up and goes down."""

import os
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

from local import deploy, emulator, people, processes, records
from local.emulator import RegionError
from local.places import ROOT, Places
from local.processes import Process

MODEL_START_SECONDS = 60.0


@dataclass(frozen=True)
class Model:
    """Which model server answers; no url: the demo model."""

    url: str | None
    name: str
    key: str


def check_tools(places: Places) -> None:
    """Refuse with advice when something is missing."""
    for tool in ("make", "ps"):
        if shutil.which(tool) is None:
            raise RegionError(f"Parley needs the program `{tool}` to run here.")
    if not places.region_python.exists() or not places.sam.exists():
        raise RegionError("The environments of the region are not there yet. Make them with: make setup")


def bring_up(places: Places, model: Model, running: dict[str, Any] | None) -> dict[str, Any]:
    """Start what isn't running, deploy what changed, write region.json."""
    settings = records.settings(places)
    pids: dict[str, Process] = {}
    if running is None:
        print("Starting the region ...", flush=True)
        take_down(places, records.started(places))
        settings["port"] = choose_port(settings.get("port"), emulator.USUAL_PORT if places.is_default else None)
        emulator.move_queues(places, settings["port"])
        records.write(places.settings, settings)
        pids["region"] = emulator.start(places, settings["port"])
    else:
        pids["region"] = Process(**running["pids"]["region"])
    records.note_started(places, pids)
    if model.url is None:
        pids["model"] = started_model(places, settings, running)
    elif running is not None and (demo := records.process(running, "model")):
        processes.stop(demo, patience_seconds=2)
    records.note_started(places, pids)
    records.write(places.settings, settings)
    return deploy_and_describe(places, settings, model, pids)


def deploy_and_describe(
    places: Places, settings: dict[str, Any], model: Model, pids: dict[str, Process]
) -> dict[str, Any]:
    """Deploy what changed and write where everything is."""
    endpoint_url = emulator.endpoint(settings["port"])
    wanted = deploy.Settings(
        endpoint_url=endpoint_url,
        model_base_url=model.url or f"{emulator.endpoint(settings['model_port'])}/v1",
        model_name=model.name,
        model_api_key=model.key,
        jwt_secret=settings["jwt_secret"],
        operations_api_key=settings["operations_api_key"],
        operation_services=os.environ.get("PARLEY_OPERATION_SERVICES", "[]"),
        agent_generator_url=os.environ.get("PARLEY_AGENT_GENERATOR_URL", ""),
    )
    deploy.deploy(places, wanted)
    found = deploy.outputs(endpoint_url)
    tokens = people.tokens(settings["jwt_secret"])
    description = {
        "http_url": found["HttpUrl"],
        "ws_url": found["WebSocketUrl"],
        "console_url": f"{found['HttpUrl']}/",
        "endpoint_url": endpoint_url,
        "region": emulator.REGION,
        "stack_name": deploy.STACK,
        "state_table": found["StateTable"],
        "chunks_table": found["ChunksTable"],
        "turn_queue_url": found["TurnQueueUrl"],
        "functions": deploy.functions(endpoint_url),
        "operations_api_key": wanted.operations_api_key,
        "model_url": wanted.model_base_url,
        "tokens": tokens,
        "pids": {name: asdict(process) for name, process in pids.items()},
    }
    records.write(places.description, description)
    return description


def started_model(places: Places, settings: dict[str, Any], running: dict[str, Any] | None) -> Process:
    """The demo model: the running one, or a new one."""
    if running is not None and (known := records.process(running, "model")):
        return known
    settings["model_port"] = port = choose_port(settings.get("model_port"), None)
    command = [sys.executable, str(ROOT / "local" / "demo_model.py"), "--port", str(port)]
    log = places.logs / "demo-model.log"
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    demo = processes.start(command, log, {**environment, "PYTHONDONTWRITEBYTECODE": "1"}, ROOT)
    try:
        deadline = time.monotonic() + MODEL_START_SECONDS
        while not processes.answers(port):
            if not demo.is_running or time.monotonic() > deadline:
                raise RegionError(f"The demo model didn't start:\n{log.read_text()}")
            time.sleep(0.05)
    except BaseException:
        processes.stop(demo, patience_seconds=1)
        raise
    return demo


def take_down(places: Places, started: dict[str, Process]) -> bool:
    """Stop what was started and remove what only a running region has; whether the region stored its state."""
    saved = True
    for name, process in started.items():
        if name == "region":
            saved = emulator.stop(places, process)
        else:
            processes.stop(process, patience_seconds=2)
    emulator.clear_scratch(places)
    places.description.unlink(missing_ok=True)
    places.started.unlink(missing_ok=True)
    return saved


def choose_port(remembered: int | None, usual: int | None) -> int:
    """The port of last time, else the usual one, else a free one."""
    for port in dict.fromkeys((remembered, usual)):
        if port is not None:
            if processes.port_is_free(port):
                return port
            print(f"Port {port} is taken; using another one.")
    return processes.free_port()
