import { expect, test } from "vitest";
import { startChoices } from "../src/worklist/start_choices.js";

test.each([
    ["off", ["complete", "both"]],
    ["warn", ["complete", "both"]],
    ["refuse", ["complete"]],
] as const)("with doctor_busy %s the choices are %j", (rule, choices) => {
    expect(startChoices(rule)).toEqual(choices);
});
