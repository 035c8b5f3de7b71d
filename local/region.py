"""Parley's region on this machine: `python -m local.region up|down|status|forget`.

`up` starts an emulated AWS region and a demo model, deploys the template and prints the console's address. It stays
until Ctrl-C, or with --detach leaves all of it running. PARLEY_LOCAL_DIR names another folder to keep a second region
in, which then takes free ports. With OPENAI_BASE_URL or OPENAI_API_KEY set, that model server answers, and PARLEY_MODEL
names its model.
"""

import argparse
import os
import shutil
import signal
import sys
import time
from typing import Any, NoReturn

from local import records
from local.emulator import RegionError
from local.lifecycle import Model, bring_up, check_tools, take_down
from local.places import ROOT, Places
from local.processes import Process

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_MODEL = "gpt-5-mini"
DEMO_MODEL = "parley-demo"


def main() -> int:
    """Run one command; errors meant for people are printed without a traceback."""
    parser = argparse.ArgumentParser(prog="python -m local.region", description="Parley's region on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    up_parser = commands.add_parser("up", help="start, deploy what changed, print the address")
    up_parser.add_argument("--detach", action="store_true", help="return and leave it running")
    up_parser.add_argument("--model-url", help="base URL of an OpenAI-compatible server, instead of OPENAI_BASE_URL")
    commands.add_parser("down", help="stop; data stay")
    commands.add_parser("status", help="say whether it runs, and where")
    commands.add_parser("forget", help="stop and remove its data")
    arguments = parser.parse_args()
    places = Places.from_environment()
    try:
        if arguments.command == "up":
            return up(places, choose_model(arguments.model_url), detach=arguments.detach)
        return {"down": down, "status": status, "forget": forget}[arguments.command](places)
    except RegionError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; nothing that was started goes on.", file=sys.stderr)
        return 130


def choose_model(url: str | None) -> Model:
    """The model server that the command line or the environment names."""
    url = url or os.environ.get("OPENAI_BASE_URL")
    key = os.environ.get("OPENAI_API_KEY")
    if url is None and key is None:
        return Model(None, DEMO_MODEL, "no-key-needed")
    name = os.environ.get("PARLEY_MODEL", OPENAI_MODEL)
    return Model(url or OPENAI_URL, name, key or "no-key-needed")


def up(places: Places, model: Model, *, detach: bool) -> int:
    """Bring the region up, or bring a running one up to date."""
    check_tools(places)
    began = time.monotonic()
    with records.locked(places):
        running = records.description(places)
        was_running = running is not None and records.process(running, "region") is not None
        try:
            description = bring_up(places, model, running if was_running else None)
        except BaseException:
            if not was_running:
                take_down(places, records.started(places))
            raise
    announce(places, description, "already running" if was_running else f"up after {time.monotonic() - began:.1f} s")
    if detach or was_running:
        return 0
    return stay(places, description)


def down(places: Places) -> int:
    """Stop the region; its data stay."""
    with records.locked(places):
        started = records.started(places)
        if not any(process.is_running for process in started.values()):
            take_down(places, started)
            print("Parley isn't running.")
            return 0
        saved = take_down(places, started)
    if not saved:
        print("The region had to be killed: what it stored since it started may be lost.", file=sys.stderr)
    print("Parley has stopped. Its data stay for the next start.")
    return 0


def status(places: Places) -> int:
    """Say whether the region runs; the exit code says it too."""
    description = records.description(places)
    if description is None or records.process(description, "region") is None:
        print("Parley isn't running. Start it with: make run")
        return 1
    announce(places, description, "running")
    return 0


def forget(places: Places) -> int:
    """Stop the region and remove everything that it kept."""
    down(places)
    for folder in (places.data, places.logs):
        shutil.rmtree(folder, ignore_errors=True)
    places.settings.unlink(missing_ok=True)
    if not places.is_default:
        shutil.rmtree(places.state, ignore_errors=True)
    print("Its data are removed.")
    return 0


def stay(places: Places, description: dict[str, Any]) -> int:
    """Wait for Ctrl-C, then stop; end as well when the region is stopped from elsewhere."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    region = Process(**description["pids"]["region"])
    print("Ctrl-C stops it; data stay.", flush=True)
    try:
        while region.is_running:
            time.sleep(1)
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C would cut the saving short
        print("\nStopping ...", flush=True)
        return down(places)
    print("The region was stopped.")
    return 0


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def announce(places: Places, description: dict[str, Any], state: str) -> None:
    """Print where the console is, signed in."""
    path = places.description
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    link = f"{description['console_url']}#token={description['tokens']['ada']}"
    print(f"\nParley is {state}. Sign in as Ada with this link:\n\n    {link}\n")
    print(f"Addresses and tokens for programs: {shown}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
