/** The page's views, one at a time: tabs by mouse, touch and arrow keys. */

/** @returns {(id: string) => void} Shows the view of the tab of that id. */
export function makeTabs() {
  const tabs = Array.from(document.querySelectorAll('[role="tab"]'));
  const show = (id) => {
    for (const tab of tabs) {
      const on = tab.id === id;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !on;
    }
    scrollTo(0, 0);
  };
  for (const [i, tab] of tabs.entries()) {
    tab.onclick = () => show(tab.id);
    tab.onkeydown = ({ key }) => {
      const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: tabs.length - 1 }[key];
      if (to === undefined) return;
      const next = tabs[(to + tabs.length) % tabs.length];
      show(next.id);
      next.focus();
    };
  }
  return show;
}
