import { expect, test } from "vitest";
import { possibleChoices } from "../src/questions.js";

const question = {
    title: "",
    text: "",
    choices: [
        { value: "complete", label: "" },
        { value: "both", label: "" },
    ],
};

test.each([
    ["off", ["complete", "both"]],
    ["warn", ["complete", "both"]],
    ["refuse", ["complete"]],
] as const)("with doctor_busy %s the choices are %j", (rule, values) => {
    expect(possibleChoices(question, rule).map(choice => choice.value)).toEqual(values);
});
