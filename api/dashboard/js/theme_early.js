// SPDX-License-Identifier: MIT
// Theme early: puts the chosen colour scheme on before anything is drawn, so that nothing flashes. Not a module: it must not be deferred.
(function () {
    try {
        var theme = localStorage.getItem("ganger.theme");
        if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    } catch (e) { /* storage is switched off: the system's scheme it is */ }
})();
