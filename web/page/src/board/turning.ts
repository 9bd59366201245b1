/** Scrolls a screen on the wall, one screenful after the other, because no one scrolls it by hand. */

/** How long a screenful stays, in milliseconds. */
const STAYS = 12_000;

/** Starts to scroll. Returns a function that stops it. */
export function turnPages(): () => void {
    const timer = setInterval(() => {
        const { scrollHeight, clientHeight } = document.documentElement;
        const isAtEnd = window.scrollY + clientHeight >= scrollHeight - 1;
        window.scrollTo({ top: isAtEnd ? 0 : window.scrollY + clientHeight * 0.9 });
    }, STAYS);
    return () => clearInterval(timer);
}
