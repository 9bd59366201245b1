/** Questions that stop a press until the user has chosen. App shows the open one as a dialog. */

import { ref } from "vue";

export interface Question {
    readonly title: string;
    readonly text: string;
    /** The first is the filled button. Closing the dialog chooses nothing. */
    readonly choices: readonly { readonly value: string; readonly label: string }[];
}

interface OpenQuestion extends Question {
    readonly answer: (choice: string | undefined) => void;
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
