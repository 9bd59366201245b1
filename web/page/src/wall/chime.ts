/** The sound of a new call or offer: two tones that the browser generates. It plays only after a press, as browsers demand. */

import { onScopeDispose, ref } from "vue";
import { kept } from "../kept.js";

/** The two tones in hertz, and when they begin, in seconds. */
const TONES = [
    { hertz: 659.26, at: 0 },
    { hertz: 523.25, at: 0.35 },
] as const;
const RINGS_FOR = 1.2;
const LOUDNESS = 0.4;

/** `blocked`: switched on earlier, but the browser plays nothing until someone presses a key or the screen. */
export type Sound = "off" | "blocked" | "on";

function ring(context: AudioContext): void {
    for (const { hertz, at } of TONES) {
        const start = context.currentTime + at;
        const tone = new OscillatorNode(context, { type: "sine", frequency: hertz });
        const volume = new GainNode(context, { gain: 0 });
        volume.gain.setValueAtTime(0, start);
        volume.gain.linearRampToValueAtTime(LOUDNESS, start + 0.02);
        volume.gain.exponentialRampToValueAtTime(0.001, start + RINGS_FOR);
        tone.connect(volume).connect(context.destination);
        tone.start(start);
        tone.stop(start + RINGS_FOR);
    }
}

/** The sound of one screen. The choice is remembered under this name; the first press anywhere on a screen that was loaded again unblocks it. */
export function useChime(choice: "sound" | "offer_sound" = "sound") {
    const sound = ref<Sound>("off");
    let context: AudioContext | undefined;

    function refresh(): void {
        sound.value = context === undefined ? "off" : context.state === "running" ? "on" : "blocked";
    }

    /** Opens the sound device. Without a press, the browser leaves it suspended. */
    async function open(): Promise<void> {
        if (context === undefined) {
            context = new AudioContext();
            context.addEventListener("statechange", refresh);
        }
        refresh();
        // A blocked `resume` is settled only by the next press, so it must not be awaited by the first paint.
        await context.resume();
        refresh();
    }

    async function switchOn(): Promise<void> {
        kept.set(choice, "on");
        await open();
        play();
    }

    async function switchOff(): Promise<void> {
        kept.set(choice, "off");
        const closing = context;
        context = undefined;
        refresh();
        await closing?.close();
    }

    function play(): void {
        if (context?.state === "running") ring(context);
    }

    const unblock = ({ target }: Event): void => {
        // The button itself switches the sound on. Unblocked before its click, it would already be the button that switches it off.
        const isButton = target instanceof Element && target.closest(".sound") !== null;
        if (sound.value === "blocked" && !isButton) void context?.resume();
    };
    if (kept.get(choice) === "on") void open();
    document.addEventListener("pointerdown", unblock);
    document.addEventListener("keydown", unblock);
    onScopeDispose(() => {
        document.removeEventListener("pointerdown", unblock);
        document.removeEventListener("keydown", unblock);
        void context?.close();
    });

    return { sound, play, switchOn, switchOff };
}
