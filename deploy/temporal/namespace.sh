#!/bin/sh
# Waits until Temporal is healthy, then registers the namespace with its retention and search attributes. A second run changes nothing.
# Runs in temporalio/admin-tools. TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE come from the environment.
#
# `visit-engine migrate` does the same, and also extends a retention that is too short. This script runs first, because a new namespace
# takes some seconds to be available everywhere in the cluster.
set -eu

retry() { # retry COMMAND...: repeat it until it succeeds, at most for a minute
    tries_left=30
    until "$@"; do
        tries_left=$((tries_left - 1))
        test "$tries_left" -gt 0
        sleep 2
    done
}

register_namespace() {
    temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
        temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 7d
}

create_search_attributes() {
    temporal operator search-attribute create --name PatientId --type Int &&
        temporal operator search-attribute create --name VisitDay --type Keyword &&
        temporal operator search-attribute create --name VisitState --type Keyword &&
        temporal operator search-attribute create --name DoctorId --type KeywordList &&
        temporal operator search-attribute create --name ConsultationOpenSince --type Datetime &&
        temporal operator search-attribute create --name WaitingCount --type Int
}

retry temporal operator cluster health
retry register_namespace
retry create_search_attributes
