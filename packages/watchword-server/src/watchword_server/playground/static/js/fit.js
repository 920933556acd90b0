// Keeps the newest arrows in sight: the right column ends where the window ends, however far the page is scrolled.

const MARGIN = 16;
const WIDE = matchMedia("(min-width: 901px)");

export function startFit() {
  const column = document.querySelector(".right");
  let asked = false;
  const fit = () => {
    asked = false;
    const top = Math.max(MARGIN, column.parentElement.getBoundingClientRect().top);
    column.style.height = WIDE.matches ? `${Math.round(innerHeight - top - MARGIN)}px` : "";
  };
  const ask = () => {
    if (!asked) requestAnimationFrame(fit);
    asked = true;
  };
  addEventListener("scroll", ask, { passive: true });
  addEventListener("resize", ask);
  // What lies above the column grows and shrinks too.
  new ResizeObserver(ask).observe(document.querySelector("main"));
  fit();
}
