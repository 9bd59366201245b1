import { describe, expect, it } from "vitest";
import { anyDoctorMenuOf, doctorMenuOf } from "../src/commands/doctor_commands.js";
import { ME, OTHER } from "./appointments.js";

describe("the menu of a doctor's lane", () => {
    it.each([
        ["reception calls, and gives the day away", "reception", null, ["call_next", "reassign_all"]],
        ["a supervisor calls no one", "supervisor", null, ["set_room", "reassign_all"]],
        ["the doctor calls, and says where", "doctor", ME, ["call_next", "set_room"]],
        ["another doctor has no menu", "doctor", OTHER, []],
        ["nor has a program", "service", null, []],
    ] as const)("%s", (_what, role, doctor_id, commands) => {
        expect(doctorMenuOf(ME, { role, doctor_id })).toEqual(commands);
    });
});

describe("the menu of a doctor who is chosen in the dialog", () => {
    it.each([
        ["reception gives a day away", "reception", ["reassign_all"]],
        ["a supervisor sets a room too", "supervisor", ["set_room", "reassign_all"]],
        ["a doctor has the account menu", "doctor", []],
    ] as const)("%s", (_what, role, commands) => {
        expect(anyDoctorMenuOf(role)).toEqual(commands);
    });
});
