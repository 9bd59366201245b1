#!/bin/sh
# Waits until Temporal is in health, then registers the namespace with its retention and search attributes; again changes nothing.
# Runs in temporalio/admin-tools. TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE come from the environment.
#
# `visit-engine migrate` sees to the same, and to a retention that is too short. This goes first, since a namespace just
# registered takes some seconds to be known everywhere.
set -eu

retry() { # retry COMMAND...: until it succeeds, a minute at most
    left=30
    until "$@"; do
        left=$((left - 1))
        test "$left" -gt 0
        sleep 2
    done
}

registered() {
    temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
        temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 7d
}

searchable() {
    temporal operator search-attribute create --name PatientId --type Int &&
        temporal operator search-attribute create --name VisitDay --type Keyword
}

retry temporal operator cluster health
retry registered
retry searchable
