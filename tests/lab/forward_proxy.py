"""A company's proxy: what HTTPS_PROXY names. It knows hosts that no name server knows."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading


class ForwardProxy:
    """Tunnels (CONNECT, RFC 9110 §9.3.6) to `hosts`: host:port as asked for → port of 127.0.0.1; to nothing else."""

    def __init__(self, hosts: dict[str, int]) -> None:
        #: every target asked for, in order
        self.asked: list[str] = []
        proxy = self

        class Tunnel(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                target = self.rfile.readline().decode().split()[1]
                while self.rfile.readline().strip():
                    pass
                proxy.asked.append(target)
                if target not in hosts:
                    self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                    return
                with socket.create_connection(("127.0.0.1", hosts[target])) as behind:
                    self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    back = threading.Thread(target=_pass_on, args=(behind, self.connection), daemon=True)
                    back.start()
                    _pass_on(self.connection, behind)
                    back.join()

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tunnel)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> ForwardProxy:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _pass_on(from_: socket.socket, to: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := from_.recv(64 * 1024):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
