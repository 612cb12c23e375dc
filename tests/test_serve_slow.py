"""A client that sends slowly loses its connection, and costs nobody else anything."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from test_serve_kills import ROOT
from serve_kills import Server  # isort: skip

assert ROOT


@pytest.mark.slow(reason="a server starts in a process of its own, and waits for what does not come")
def test_a_slow_client_is_dropped(tmp_path: Path) -> None:
    settings = {"database": str(tmp_path / "l.db"), "data": str(tmp_path / "d"), "workers": 0}
    server = Server({**settings, "header_timeout": 1.0, "body_timeout": 1.0})
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow:
            slow.sendall(b"GET /health HTTP/1.1\r\nHost: 127")
            assert slow.recv(100) == b""
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow:
            head = b"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            slow.sendall(head + b"Content-Length: 900\r\n\r\n{")
            assert slow.recv(100).startswith(b"HTTP/1.1 408")
        assert server.ask("/health")["status"] == "ok"
    finally:
        server.process.terminate()
        server.process.wait(30)
