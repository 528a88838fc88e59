// SPDX-License-Identifier: LGPL-2.1-or-later
// peer.js chokidar|parcel-watcher DIR|--version: prints "PATH EVENT" for each event, with a module that node finds here or globally.
'use strict';
const { createRequire } = require('module');
const fs = require('fs');
const path = require('path');
const [kind, dir] = process.argv.slice(2);
const name = kind === 'chokidar' ? 'chokidar' : '@parcel/watcher';

function load() {
	try {
		const here = createRequire(path.join(process.cwd(), 'x.js'));
		return [here, here(name)];
	} catch {
		return [require, require(name)];
	}
}

const [finder, module_] = load();
if (dir === '--version') {
	let at = path.dirname(finder.resolve(name));
	while (!fs.existsSync(path.join(at, 'package.json')))
		at = path.dirname(at);
	console.log(JSON.parse(fs.readFileSync(path.join(at, 'package.json'))).version || '');
	process.exit(0);
}

const print = (file, event) => fs.writeSync(1, `${file} ${event}\n`);
const ready = () => process.stderr.write('ready\n');
if (kind === 'chokidar') {
	const watcher = module_.watch(dir, { ignoreInitial: true });
	watcher.on('all', (event, file) => print(file, event)).on('ready', ready);
} else {
	module_.subscribe(dir, (error, events) => {
		if (error)
			process.stderr.write(`${error}\n`);
		for (const event of events || [])
			print(event.path, event.type);
	}).then(ready);
}
