#!/usr/bin/env bash
# Prints the Python that has openwisp-users and a service built on it: whom the gate lets pass is compared to whom they do.
exec bash "$(dirname "$0")/venv.sh" openwisp openwisp-users==1.3.2 openwisp-ipam==1.3.1 "psycopg[binary]==3.3.9" django-redis==7.0.0 "Django>=5,<6"
