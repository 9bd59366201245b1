/** Questions that stop a press until the user has chosen. App shows the open one as a dialog. */

import { ref } from "vue";
import type { Who } from "./api/client.js";

export interface Question {
    readonly title: string;
    readonly text: string;
    /** The first is the filled button. Closing the dialog chooses nothing. */
    readonly choices: readonly { readonly value: string; readonly label: string }[];
}

interface OpenQuestion extends Question {
    readonly answer: (choice: string | undefined) => void;
}

/** The choices that the API would carry out. With `refuse` it refuses to start next to a running consultation. */
export function possibleChoices(
    { choices }: Question,
    doctorBusy: Who["doctor_busy"] | undefined,
): Question["choices"] {
    return choices.filter(({ value }) => value !== "both" || doctorBusy !== "refuse");
}

export const openQuestion = ref<OpenQuestion>();

/** Shows the question. Returns the choice, or undefined when the user closed the dialog or another question came. */
export function ask(question: Question): Promise<string | undefined> {
    openQuestion.value?.answer(undefined);
    return new Promise(resolve => {
        openQuestion.value = {
            ...question,
            answer: choice => {
                openQuestion.value = undefined;
                resolve(choice);
            },
        };
    });
}
