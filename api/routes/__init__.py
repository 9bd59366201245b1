"""The HTTP calls, one file for each subject. A route does not import another one."""

from patient_visit_engine.api.routes import (
    accounts,
    appointments,
    arrivals,
    calling,
    consultations,
    handing_over,
    master_data,
    merges,
    operations,
    patients,
    pausing,
    records,
    reports,
    rooms,
    session,
    undoing,
    walk_ins,
    wall,
)

#: The calls of each module, in the order in which a request is matched with them.
ROUTERS = tuple(
    module.router
    for module in (
        session,
        accounts,
        consultations,
        pausing,
        appointments,
        undoing,
        calling,
        handing_over,
        arrivals,
        walk_ins,
        wall,
        patients,
        reports,
        rooms,
        merges,
        records,
        master_data,
        operations,
    )
)
