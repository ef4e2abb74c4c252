import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local import stack
from local.clock import Clock
from local.environment import ROOT, SetupError
from local.processes import Processes, assert_private
from tests.stack import running_stack

_FOREVER = "import time; time.sleep(600)"


def _launch(**changed: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local.launch", "run"]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | changed, capture_output=True, text=True, check=False
    )


def test_a_taken_port_is_one_sentence_that_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = _launch(PORT=str(port))
    assert ended.returncode == 1
    assert f"Port {port} is taken" in ended.stderr
    assert "make run PORT=" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_that_is_no_number_is_refused() -> None:
    ended = _launch(PORT="eighty")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "PORT must be a number from 1 to 65535, not 'eighty'.\n"


def test_processes_die_with_a_launcher_that_was_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from local.processes import Processes\n"
        f"with Processes(Path({str(tmp_path)!r})) as processes:\n"
        f"    processes.start('sleeper', [sys.executable, '-c', {_FOREVER!r}], {{}})\n"
        "    print(processes._running['sleeper'].pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout is not None
        child = int(launcher.stdout.readline())
        os.kill(child, 0)
        launcher.kill()
    deadline = time.monotonic() + 5
    while _is_alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _is_alive(child)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_that_ends_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.start("broken part", [sys.executable, "-c", "print('out of luck')"], {})
        with pytest.raises(SetupError, match=r"out of luck\n.*broken part has stopped"):
            processes.wait_until("broken part", lambda: False)


def test_stopping_also_ends_those_who_ignore_a_polite_request(tmp_path: Path) -> None:
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {_FOREVER}"
    with Processes(tmp_path) as processes:
        processes.start("deaf", [sys.executable, "-c", deaf], {})
        pid = processes._running["deaf"].pid
        time.sleep(0.3)
    assert not _is_alive(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers on all of 127.0.0.0/8")
def test_a_server_on_every_interface_is_refused() -> None:
    everywhere = ("0.0.0.0", 0)  # noqa: S104 - what is to be found
    with (
        socket.create_server(everywhere) as open_to_all,
        pytest.raises(SetupError, match="not safe"),
    ):
        assert_private({"open door": open_to_all.getsockname()[1]})
    with socket.create_server(("127.0.0.1", 0)) as private:
        assert_private({"closed door": private.getsockname()[1]})


def test_a_real_service_replaces_its_stand_in_and_only_that(tmp_path: Path) -> None:
    ports = {"engine": 1, "identity provider": 2, "models": 3, "Stripe stand-in": 4}
    keys = {"OPENAI_API_KEY": "sk-real", "STRIPE_SECRET_KEY": "", "GOOGLE_CLIENT_ID": "mine"}
    keys |= {"ANTHROPIC_API_KEY": ""}
    environ = stack.environ_of(tmp_path, 8000, ports, keys)
    assert environ["OPENAI_API_KEY"] == "sk-real"
    assert "OPENAI_BASE_URL" not in environ
    assert environ["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:3/anthropic"
    assert environ["STRIPE_API_BASE"] == environ["LOCAL_STRIPE"] == "http://127.0.0.1:4"
    assert "LOCAL_ISSUER" not in environ


def test_stripes_key_without_its_webhook_secret_is_refused(tmp_path: Path) -> None:
    ports = {"engine": 1, "identity provider": 2, "models": 3, "Stripe stand-in": 4}
    keys = {"STRIPE_SECRET_KEY": "sk_test_real", "STRIPE_WEBHOOK_SECRET": ""}
    with pytest.raises(SetupError, match="STRIPE_WEBHOOK_SECRET"):
        stack.environ_of(tmp_path, 8000, ports, keys)


def test_session_keys_stay_and_are_the_owners_alone(tmp_path: Path) -> None:
    ports = {"engine": 1, "identity provider": 2, "models": 3, "Stripe stand-in": 4}
    nothing = {"STRIPE_SECRET_KEY": ""}
    first = stack.environ_of(tmp_path, 8000, ports, nothing)["SESSION_KEYS"]
    assert stack.environ_of(tmp_path, 8000, ports, nothing)["SESSION_KEYS"] == first
    assert (tmp_path / "session-keys").stat().st_mode & 0o777 == 0o600


def test_the_clock_is_shared_through_its_file(tmp_path: Path) -> None:
    here, there = Clock(tmp_path / "clock"), Clock(tmp_path / "clock")
    before = there()
    here.advance(86_400)
    here.advance(60)
    assert 86_460 <= (there() - before).total_seconds() < 86_470
    with pytest.raises(ValueError, match="forward"):
        here.advance(-1)


def test_a_mistake_in_the_plans_is_one_sentence_that_names_the_key(tmp_path: Path) -> None:
    plans = tmp_path / "plans.toml"
    text = (ROOT / "plans.toml").read_text(encoding="utf-8")
    plans.write_text(text.replace("trial_days = 7", "trial_days = -7"), encoding="utf-8")
    with (
        pytest.raises(SetupError, match=r"plans\.toml: trial_days: Expected `int` >= 0") as stopped,
        running_stack({"TOLLGATE_PLANS": str(plans)}),
    ):
        pytest.fail("a stack started without a catalogue")
    assert "Traceback" not in str(stopped.value)
