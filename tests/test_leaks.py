"""Nothing private is in anything that a run writes or sends: online, offline, failing, crashing."""

import getpass
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import steelexp
from steelexp.data import rle
from tests.comet_server import API_KEY, CometServer, comet_server, point_to
from tests.leaks import leaks, sent, written

CHECKOUT = Path(steelexp.__file__).parents[1]
ACCOUNT = "zebediah"
SECRETS = {
    "key of Comet": API_KEY,
    "password of .env": "hunter2-of-the-env-file",
    "changed password of .env": "hunter3-of-the-env-file",
    "token of the environment": "t0ken-of-the-environment",
    "key in the code": "k3y-in-the-code-of-a-module",
    "key in an argument": "k4y-in-an-argument",
}


def git(folder: Path, *words: str) -> None:
    names = {f"GIT_{who}_NAME": "Ann" for who in ("AUTHOR", "COMMITTER")}
    mails = {f"GIT_{who}_EMAIL": "a@example.com" for who in ("AUTHOR", "COMMITTER")}
    subprocess.run(["git", *words], cwd=folder, check=True, env=os.environ | names | mails)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home folder of an account, with a file of secrets."""
    folder = tmp_path / "homes" / ACCOUNT
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def environment(home: Path) -> dict[str, str]:
    """The variables of that account, the token of a service among them."""
    names = ("PATH", "LD_LIBRARY_PATH")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return kept | {
        "HOME": str(home),
        "USER": ACCOUNT,
        "LOGNAME": ACCOUNT,
        "SERVICE_TOKEN": SECRETS["token of the environment"],
        "XLA_FLAGS": f"--xla_dump_to={home}/dump",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "STEELEXP_CACHE": str(home.parent / "cache"),
        "GIT_CONFIG_GLOBAL": os.devnull,
    }


@pytest.fixture
def checkout(home: Path) -> Path:
    """A checkout of this project below the home folder, with a tracked .env and changes."""
    top = home / "project"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(CHECKOUT / "steelexp", top / "steelexp", ignore=ignored)
    shutil.copy(CHECKOUT / "pyproject.toml", top)
    (top / ".env").write_text(f"DB_PASSWORD={SECRETS['password of .env']}\n")
    git(top, "init", "--quiet")
    git(top, "add", ".")
    git(top, "commit", "--quiet", "--message", "one")
    (top / ".env").write_text(f"DB_PASSWORD={SECRETS['changed password of .env']}\n")
    (top / "steelexp" / "mine.py").write_text(
        f'API_KEY = "{SECRETS["key in the code"]}"\nDATA = "{home}/data"\n'
    )
    return top


@pytest.fixture
def data(home: Path) -> Path:
    """Ten images of 64 x 128 in Kaggle's layout, below the home folder."""
    root = home / "severstal"
    (root / "train_images").mkdir(parents=True)
    rows = ["ImageId,ClassId,EncodedPixels"]
    draw = np.random.default_rng(0)
    for number in range(10):
        image = draw.integers(70, 130, (64, 128), np.uint8)
        mask = np.zeros((64, 128), bool)
        mask[16:48, 8 * number + 8 : 8 * number + 40] = True
        rows.append(f"{number}.png,{number % 4 + 1},{rle.encode(mask)}")
        cv2.imwrite(str(root / "train_images" / f"{number}.png"), image)
    (root / "train.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture
def spec(home: Path, data: Path) -> Path:
    """A spec that trains in seconds, below the home folder."""
    path = home / "tiny.yaml"
    path.write_text(f"""
        name: tiny
        question: Does anything private leave the machine?
        data: {{source: severstal, root: {data}}}
        split: {{kind: grouped, val: 0.3, test: 0.2, seed: 3}}
        tiling: {{kind: columns, size: 64, count: 1}}
        model: {{architecture: unet, backbone: mobilenet, weights: none,
                batch_norm_momentum: 0.9, decoder_filters: [2, 2, 2, 2, 2]}}
        loss: {{name: bce_dice}}
        optimizer: {{name: adam, learning_rate: 1.0e-3}}
        training: {{epochs: 1, batch_size: 3, overlays: 1}}
        tracking: {{name: comet}}
        seed: 1
    """)
    return path


def steelexp_command(*words: str, top: Path, environment: dict[str, str], code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "steelexp", *words],
        cwd=top,
        env=environment | {"PYTHONPATH": str(top)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def private_values(home: Path) -> dict[str, str]:
    return SECRETS | {"account": ACCOUNT, "home": str(home)}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["online", "offline", "failing", "refused"])
def test_a_run_writes_and_sends_nothing_private(
    way: str, checkout: Path, spec: Path, home: Path, environment: dict[str, str]
) -> None:
    with comet_server() as server:
        if way != "offline":
            point_to(server, environment)
        if way == "failing":
            server.failing = 500
        if way == "refused":
            server.stop()
        runs = str(home / "runs")
        steelexp_command("run", str(spec), "--runs", runs, top=checkout, environment=environment)
        contents = written(home / "runs") | sent(server)
    names = {Path(name).name for name in contents}
    sys.stdout.write("\n".join(["Searched:", *contents, ""]))
    assert {"record.json", "spec.yaml", "journal.jsonl", "sent.json", "changes.patch"} <= names
    archives = [name for name in contents if "/comet/" in name and name.endswith(".zip")]
    assert bool(archives) is (way == "offline")
    assert any("request" in name for name in contents) is (way in ("online", "failing"))
    patch = next(text for name, text in contents.items() if name.endswith("changes.patch"))
    assert b'+API_KEY = "***"' in patch
    assert b"DB_PASSWORD" not in patch
    if way in ("online", "offline"):  # the source that ran, of the file without a commit, too
        sources = [text for name, text in contents.items() if name.endswith("/steelexp/mine.py")]
        assert sources
        assert all(b'API_KEY = "***"' in text for text in sources)
        assert any(name.endswith("image_scores.csv") for name in contents)
    assert leaks(contents, private_values(home)) == []


@pytest.mark.slow
def test_a_crash_log_holds_nothing_private(
    checkout: Path, home: Path, environment: dict[str, str]
) -> None:
    show = checkout / "steelexp" / "commands" / "show.py"
    begin = "def show_run(args: argparse.Namespace) -> int:\n"
    fault = f'    raise ValueError("no connection to db://a:{SECRETS["key in the code"]}@host")\n'
    assert begin in show.read_text()
    show.write_text(show.read_text().replace(begin, begin + fault))
    place = home / f"password={SECRETS['key in an argument']}"
    out = steelexp_command("show", str(place), top=checkout, environment=environment, code=3)
    (log,) = checkout.glob("steelexp-error-*.log")
    contents = {"log": log.read_bytes(), "output": out.encode()}
    assert b"ValueError" in contents["log"]
    assert leaks(contents, private_values(home)) == []


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """Leaks in a file, in a member of an archive and in a request are found."""
    shutil.make_archive(str(tmp_path / "a"), "zip", root_dir=_folder_with(tmp_path / "b", ACCOUNT))
    server = CometServer()
    archive = (tmp_path / "a.zip").read_bytes()
    server.received = [
        b"/v?w\n\n--1\r\n\r\n" + archive + b"\r\n--1--\r\n",
        f"/x?y\nAuthorization: {API_KEY}\n\n".encode(),
        f"/z\nAuthorization: {API_KEY}\n\nby {API_KEY}".encode(),
    ]
    found = leaks(written(tmp_path) | sent(server), {"account": ACCOUNT, "key": API_KEY})
    assert [line.partition(": b")[0] for line in found] == [
        "a.zip/file: account",
        "b/file: account",
        "request 0 /v/file: account",
        "request 2 /z: key",
    ]


def _folder_with(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "file").write_text(f"by {text}, that is me")
    return folder


def test_the_account_is_the_one_of_the_variables(environment: dict[str, str]) -> None:
    """comet_ml asks getpass; without this, a leak of the account would not be noticed."""
    code = "import getpass; print(getpass.getuser())"
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == ACCOUNT != getpass.getuser()
