"""nginx before the demonstration's films and API: `python examples/nginx/run.py`, beside `make run`.

Starts `watchword edge` and Debian's nginx on http://localhost:8080, with a key of links that all three share. Links come
from the demonstration API if it was started with DEMO_URL_KEY_FILE and DEMO_MEDIA_ORIGIN, as this prints.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = Path("/usr/lib/nginx/modules")


def nginx_program() -> str | None:
    """Where nginx is; Debian keeps it where only root looks."""
    return shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))


def command(program: str, state: Path, conf: Path) -> list[str]:
    """How to start it. Started by root, its workers stay root here, or they could not reach the checker's socket."""
    as_root = ["-g", "user root;"] if os.geteuid() == 0 else []
    return [program, "-p", str(state), "-c", str(conf), *as_root]


def configuration(*, state: Path, port: int, api_port: int, edge: Path, origin: str, key: dict[str, str]) -> str:
    """nginx.conf for these places."""
    njs = (MODULES / "ngx_http_js_module.so").exists()
    keys = json.dumps({key["kid"]: key["k"]})
    location = f"""
        location /njs/ {{
            rewrite "^/njs(/media/.*/)ww=[^/]+/(.*)$" $1$2 break;
            auth_request /_njs;
            root {HERE.parent / "demonstration"};
        }}
        location = /_njs {{
            internal;
            set $watchword_origin "{origin}";
            set $watchword_keys '{keys}';
            js_content watchword.check;
        }}"""
    filled = {
        "MODULES": f"load_module {MODULES}/ngx_http_js_module.so;" if njs else "",
        "NJS": f"js_path {HERE};\n    js_import watchword from watchword.js;" if njs else "",
        "NJS_LOCATION": location if njs else "",
        "STATE": str(state),
        "EDGE": str(edge),
        "API_PORT": str(api_port),
        "PORT": str(port),
        "ROOT": str(HERE.parent / "demonstration"),
        "SECRET": "for-measuring-only",
    }
    text = (HERE / "nginx.conf.template").read_text(encoding="utf-8")
    for name, value in filled.items():
        text = text.replace(f"@{name}@", value)
    return text


def main() -> int:
    for asked in (signal.SIGINT, signal.SIGTERM):
        # Both, and also where whoever started it in the background had SIGINT ignored.
        signal.signal(asked, signal.default_int_handler)
    program = nginx_program()
    if program is None:
        print("no nginx: apt-get install nginx-light libnginx-mod-http-js", file=sys.stderr)
        return 1
    port, api_port = int(os.environ.get("NGINX_PORT", "8080")), int(os.environ.get("DEMO_PORT", "8001"))
    issuer = os.environ.get("DEMO_ISSUER", f"http://localhost:{os.environ.get('WATCHWORD_PORT', '8000')}")
    origin = f"http://localhost:{port}"
    with tempfile.TemporaryDirectory(prefix="watchword-nginx-") as folder:
        state = Path(folder)
        key_file = Path(os.environ.get("DEMO_URL_KEY_FILE", state / "url-key.json"))
        if not key_file.exists():
            made = {"kty": "oct", "kid": "edge", "alg": "HS256", "k": base64.urlsafe_b64encode(os.urandom(32)).decode()}
            key_file.write_text(json.dumps(made | {"k": made["k"].rstrip("=")}), encoding="utf-8")
        key = json.loads(key_file.read_text(encoding="utf-8"))
        sock = state / "edge.sock"
        conf = state / "nginx.conf"
        conf.write_text(
            configuration(state=state, port=port, api_port=api_port, edge=sock, origin=origin, key=key),
            encoding="utf-8",
        )
        print(f"links for this place:  DEMO_URL_KEY_FILE={key_file} DEMO_MEDIA_ORIGIN={origin} make run", flush=True)
        edge = [sys.executable, "-m", "watchword", "edge", "--listen", f"unix:{sock}", "--issuer", issuer]
        edge += ["--url-key", str(key_file), "--origin", origin, "--max-staleness", "30"]
        processes = [
            subprocess.Popen(edge),  # noqa: S603 - commands of ours
            subprocess.Popen(command(program, state, conf)),  # noqa: S603 - as above
        ]
        try:
            return processes[1].wait()
        except KeyboardInterrupt:
            return 0
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(timeout=10)


if __name__ == "__main__":
    sys.exit(main())
