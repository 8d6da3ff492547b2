#!/usr/bin/env bash
# Prints the Python that has all of OpenWISP's modules, whose answers behind the recipe's policy are compared to their own. They want PostGIS and more: need.sh modules.
exec bash "$(dirname "$0")/venv.sh" openwisp-modules openwisp-users==1.3.2 openwisp-controller==1.3.2 openwisp-firmware-upgrader==1.3.1 \
    openwisp-monitoring==1.3 openwisp-network-topology==1.3.1 openwisp-radius==1.3.3 openwisp-ipam==1.3.1 openwisp-notifications==1.3 \
    "psycopg[binary]==3.3.9" "Django>=5,<6"
