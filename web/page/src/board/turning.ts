/** A screen on the wall has nobody to scroll it: it shows one screenful after the other. It must not know what is shown. */

/** How long a screenful stays, in milliseconds. */
const STAYS = 12_000;

/** Turn until the answer is called. */
export function turnPages(): () => void {
    const timer = setInterval(() => {
        const { scrollHeight, clientHeight } = document.documentElement;
        const isAtEnd = window.scrollY + clientHeight >= scrollHeight - 1;
        window.scrollTo({ top: isAtEnd ? 0 : window.scrollY + clientHeight * 0.9 });
    }, STAYS);
    return () => clearInterval(timer);
}
