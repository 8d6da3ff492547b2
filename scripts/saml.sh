#!/usr/bin/env bash
# Prints the Python that has SATOSA, and pysaml2 with it: a SAML provider, and what makes one of OpenID Connect of it. Signatures of XML are xmlsec1's.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/need.sh saml
exec bash scripts/venv.sh saml SATOSA==8.6.0 pysaml2==7.5.5 pyop==3.5.0 oic==1.7.0
