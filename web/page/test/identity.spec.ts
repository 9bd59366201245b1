import { expect, test } from "vitest";
import { nameParts } from "../src/identity.js";

test.each([
    ["Maria Santos", "Santos", "Maria ", "Santos"],
    ["Maria de la Cruz", "de la Cruz", "Maria ", "de la Cruz"],
    ["Santos", "Santos", "", "Santos"],
    ["Maria", null, "Maria", ""],
    // An event of an older version.
    ["Maria Santos", undefined, "Maria Santos", ""],
    // A name that was changed between two reads.
    ["Maria Santos", "Haddad", "Maria Santos", ""],
])("%s with the family name %s is %j and %j", (patient_name, family_name, given, family) => {
    expect(nameParts({ patient_name, family_name })).toEqual({ given, family });
});
