"""Kills the server with -9 while it is told to cut off, and looks for every acknowledged cut-off afterwards."""

import http.client
import threading
import uuid

from world import ADMIN, Caller

WRITERS = 8


def measure(server, count):
    """Cut off so many tokens, with a kill about every twentieth part. Returns: figures."""
    acknowledged, unsure, kills = [], 0, 0
    a_kill = max(100, count // 20)
    while len(acknowledged) < count:
        token = Caller(server).login(ADMIN)
        here, turned = [], threading.Event()
        doubts = []

        def write(token=token, here=here, turned=turned, doubts=doubts):
            caller = Caller(server)
            while True:
                jti = uuid.uuid4().hex
                body = {"axis": "token", "value": jti, "cause": "benchmark"}
                try:
                    status, answer = caller.ask("POST", "/admin/api/cut-offs", token=token, body=body)
                except (OSError, http.client.HTTPException):
                    doubts.append(jti)
                    return
                if status != 201:
                    raise SystemExit(f"cut-off answered {status}: {answer}")
                here.append(jti)
                if len(here) >= a_kill:
                    turned.set()

        writers = [threading.Thread(target=write) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        turned.wait()
        server.kill()  # while each writer has a question out
        for writer in writers:
            writer.join()
        kills += 1
        unsure += len(doubts)
        acknowledged += here
        server.start_again()
    living = {entry["value"] for entry in Caller(server).cut_offs()[0]}
    lost = sum(jti not in living for jti in acknowledged)
    return {"acknowledged": len(acknowledged), "lost": lost, "kills": kills, "unsure": unsure}
