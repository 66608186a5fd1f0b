// SPDX-License-Identifier: MIT
import js from '@eslint/js';

const names = ['Buffer', 'clearInterval', 'console', 'process', 'setInterval', 'setTimeout', 'URL'];

export default [
    js.configs.recommended,
    { languageOptions: { globals: Object.fromEntries(names.map((name) => [name, 'readonly'])) } },
];
