"""The web demo: what is built is whole and closed; what is missing is one sentence."""

from __future__ import annotations

import gzip
import json
import re
import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ralikit import demo
from ralikit.cli import app
from ralikit.errors import BundleError, RalikitError, UsageError
from ralikit.files import sha256_path

ROOT = Path(__file__).parents[2]
FACTS = {
    "schema": 1,
    "precision": "int8",
    "model": {"name": "tiny"},
    "preprocess": {"size": 8, "shortest_edge": 8},
    "scale": {"minimum": 1.0, "maximum": 5.0, "meaning": "made up"},
}


def _field(number: int, body: bytes) -> bytes:
    length, size = [], len(body)
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + body


def onnx_file(path: Path, facts: dict[str, object] | None = None) -> Path:
    """The least that reads as a ralikit .onnx file: its metadata."""
    entry = _field(1, b"ralikit") + _field(2, json.dumps(facts or FACTS).encode())
    path.write_bytes(_field(7, _field(2, b"graph")) + _field(14, entry))
    return path


@pytest.fixture
def ort(tmp_path: Path) -> Path:
    folder = tmp_path / "ort"
    folder.mkdir()
    for name in demo.ORT_FILES:
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def site(tmp_path: Path, ort: Path) -> Path:
    demo.build(tmp_path / "site", model=onnx_file(tmp_path / "tiny.onnx"), ort=ort)
    return tmp_path / "site"


def test_the_service_worker_keeps_every_file(site: Path) -> None:
    kept = json.loads((site / "precache.json").read_text())
    files = {p.relative_to(site).as_posix() for p in site.rglob("*") if p.is_file()}
    files -= {"index.html", "sw.js", "precache.json"} | {f for f in files if f.endswith(".gz")}
    on_demand = {f for f in files if "webgpu" in f or "asyncify" in f}
    assert len(on_demand) == 3, "nobody waits for WebGPU's files who does not ask for it"
    assert set(kept["files"]) == files - on_demand | {"./"}
    assert f'"{kept["version"]}"' in (site / "sw.js").read_text()
    assert json.loads((site / "demo.json").read_text())["model"]["name"] == "tiny-int8"


def test_another_model_is_another_version(site: Path, tmp_path: Path, ort: Path) -> None:
    other = onnx_file(tmp_path / "other.onnx", FACTS | {"precision": "fp32"})
    demo.build(tmp_path / "site2", model=other, ort=ort)
    assert (site / "sw.js").read_text() != (tmp_path / "site2" / "sw.js").read_text()
    demo.build(tmp_path / "site3", model=tmp_path / "tiny.onnx", ort=ort)
    assert sha256_path(tmp_path / "site3") == sha256_path(site), "same inputs, same bytes"


def test_every_import_and_link_of_the_page_is_there(site: Path) -> None:
    for file in [*site.glob("*.js"), *(site / "ralikit-web").glob("*.js"), site / "index.html"]:
        text = file.read_text(encoding="utf-8")
        links = re.findall(r'(?:from|import\() ?"(\./[^"]+|\.\./[^"]+)"', text)
        links += re.findall(r'(?:href|src)="([^"#]+)"', text)
        for link in links:
            if not link.endswith(".d.ts"):
                assert (file.parent / link).is_file(), f"{file.name} links to {link}"


def test_the_page_speaks_to_nobody_else(site: Path) -> None:
    for file in site.rglob("*"):
        if file.suffix in {".js", ".html", ".css", ".json", ".webmanifest"}:
            text = file.read_text(encoding="utf-8")
            assert not re.search(r"https?://(?!localhost)", text), f"{file.name} names a host"
    policy = re.search(r'Policy" content="([^"]+)"', (site / "index.html").read_text())
    assert policy is not None
    assert demo.HEADERS["Content-Security-Policy"] == f"{policy[1]}; frame-ancestors 'none'"
    assert "style=" not in (site / "index.html").read_text(), "the policy forbids inline styles"


def test_the_javascript_package_pins_the_same_runtime() -> None:
    package = json.loads((ROOT / "runtimes" / "js" / "package.json").read_text())
    pinned = package["peerDependencies"] | package["devDependencies"]
    assert pinned["onnxruntime-web"] == demo.ORT_VERSION
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in pinned.values())


def test_served_on_this_computer_alone_with_its_headers(site: Path) -> None:
    with demo.serving(site, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host, port = server.server_address[:2]
        assert host == "127.0.0.1"
        base = f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"{base}/app.js") as answer:  # noqa: S310
            assert answer.headers["Content-Type"] == "text/javascript"
            for name, value in demo.HEADERS.items():
                assert answer.headers[name] == value
        for path in ("/ralikit-web/", "/../pyproject.toml", "/none"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(base + path)  # noqa: S310
            refused.value.close()
            assert refused.value.code == 404
        with pytest.raises(RalikitError, match=f"port {port}"), demo.serving(site, port):
            pass
        server.shutdown()


def test_what_shrinks_is_sent_compressed_to_those_who_take_it(site: Path) -> None:
    whole = (site / "app.js").read_bytes()
    assert gzip.decompress((site / "app.js.gz").read_bytes()) == whole
    assert not (site / "samples" / "cat.jpg.gz").exists()
    with demo.serving(site, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        link = f"http://127.0.0.1:{server.server_port}/app.js"
        for accepted, encoding in (("gzip, br", "gzip"), ("identity", None)):
            request = urllib.request.Request(link, headers={"Accept-Encoding": accepted})
            with urllib.request.urlopen(request) as got:  # noqa: S310
                body = got.read()
                assert got.headers["Content-Encoding"] == encoding
                assert got.headers["Content-Type"] == "text/javascript"
                assert got.headers["Vary"] == "Accept-Encoding"
                assert len(body) == int(got.headers["Content-Length"])
                assert (gzip.decompress(body) if encoding else body) == whole
        server.shutdown()


def answer(server: ThreadingHTTPServer, request: str) -> str:
    """The status line of the answer to a request as written."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=10) as link:
        link.sendall(request.encode())
        return link.makefile().readline().strip()


def test_a_foreign_name_is_answered_nothing(site: Path) -> None:
    with demo.serving(site, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_port
        for host in ("localhost", f"LOCALHOST:{port}", "127.0.0.1:1", "[::1]", f"[::1]:{port}"):
            assert "200" in answer(server, f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), host
        for host in ("evil.example", f"evil.example:{port}", "localhost.evil.example", ""):
            refused = answer(server, f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
            assert "421" in refused, host
        assert "421" in answer(server, "GET / HTTP/1.0\r\n\r\n")
        server.shutdown()


def test_odd_paths_and_lost_browsers_say_nothing(
    site: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (site / "large.bin").write_bytes(bytes(30_000_000))
    with demo.serving(site, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for path in ("/%00", "/a%00b.js", "/%ff%fe", "/" + "x" * 5000):
            assert "404" in answer(server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for request in ("GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET / HT"):
            link = socket.create_connection(("127.0.0.1", server.server_port), timeout=10)
            link.sendall(request.encode())
            # No lingering: closing resets the connection.
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            link.close()
        time.sleep(0.3)
        assert "200" in answer(server, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        server.shutdown()
    assert capfd.readouterr().err == ""


def test_only_ralikits_onnx_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.onnx"):
        demo.model_file(tmp_path / "model.tflite")
    foreign = tmp_path / "foreign.onnx"
    foreign.write_bytes(_field(7, _field(2, b"graph")))
    with pytest.raises(BundleError, match="ralikit export"):
        demo.model_file(foreign)


def test_an_existing_folder_is_not_replaced_unasked(site: Path, tmp_path: Path, ort: Path) -> None:
    before = sha256_path(site)
    with pytest.raises(UsageError, match="--overwrite"):
        demo.build(site, model=tmp_path / "tiny.onnx", ort=ort)
    assert sha256_path(site) == before
    demo.build(site, model=tmp_path / "tiny.onnx", ort=ort, overwrite=True)


def test_a_wrong_runtime_folder_names_the_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ort\.wasm\.min\.mjs.*dist folder"):
        demo.find_ort(tmp_path)


def test_without_npm_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RALIKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("ralikit.demo.shutil.which", lambda _: None)
    with pytest.raises(RalikitError, match=r"npm, which fetches it, is not installed.*--ort DIR"):
        demo.find_ort()
    assert not (tmp_path / "cache").exists()


def test_a_cache_of_fewer_files_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RALIKIT_CACHE", str(tmp_path))
    (tmp_path / f"onnxruntime-web-{demo.ORT_VERSION}").mkdir()
    monkeypatch.setattr("ralikit.demo.shutil.which", lambda _: None)
    with pytest.raises(RalikitError, match="npm, which fetches it"):
        demo.find_ort()


def test_an_altered_cache_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RALIKIT_CACHE", str(tmp_path))
    kept = tmp_path / f"onnxruntime-web-{demo.ORT_VERSION}"
    kept.mkdir()
    for name in demo.ORT_FILES:
        (kept / name).write_text("not what was fetched")
    with pytest.raises(RalikitError, match="delete that folder"):
        demo.find_ort()


def test_the_command_builds(tmp_path: Path, ort: Path) -> None:
    model = onnx_file(tmp_path / "tiny.onnx")
    words = ["demo", "web", "--model", str(model), "--ort", str(ort), "--no-serve"]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "page")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "page" / "index.html").is_file()
    nowhere = CliRunner().invoke(app, words)
    assert isinstance(nowhere.exception, UsageError)
