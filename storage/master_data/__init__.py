"""Master data from the hospital's own system: patients, doctors, prestations and appointments."""
