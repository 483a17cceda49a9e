/**
 * Gets a checkout ready: called before `npm start` and `npm test`, or alone as `node scripts/setup.mjs [start|test]`.
 * Plain JavaScript without packages that runs on Node 20, since it is what brings the packages and Node 26.
 * Says what it does, changes nothing that is in order, and is silent then.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

const oldestNode = 20;
const checkout = join(import.meta.dirname ?? '.', '..');
const ownPrograms = join(checkout, 'node_modules', '.bin');
const ownNode = join(checkout, 'node_modules', 'node', 'bin', 'node');

/**
 * What is needed of the system: any one of these programs or libraries. `containers`: only for what needs root, so that
 * `npm test` without root goes on without it.
 */
const needs = [
  { anyOf: ['libatomic.so.1'], package: 'libatomic1', purpose: 'library that Node 26 loads', for: ['start', 'test'] },
  { anyOf: ['conmon'], package: 'conmon', purpose: 'holds each container, so that apps outlive berthd', for: ['start', 'test'], containers: true },
  { anyOf: ['runc', 'crun'], package: 'runc', purpose: 'OCI runtime: makes the containers', for: ['start', 'test'], containers: true },
  { anyOf: ['mount'], package: 'mount', purpose: 'file systems of containers, small disks for tests', for: ['start', 'test'], containers: true },
  { anyOf: ['mkfs.ext4'], package: 'e2fsprogs', purpose: 'makes the small disks on which tests run out of space', for: ['test'], containers: true },
  { anyOf: ['mkfs.xfs'], package: 'xfsprogs', purpose: 'makes the small disks on which files share blocks', for: ['test'], containers: true },
  { anyOf: ['python3'], package: 'python3', purpose: 'plays apps that map their files or exchange them while they are copied', for: ['test'] },
  { anyOf: ['xz'], package: 'xz-utils', purpose: 'reads and writes packages compressed with xz', for: ['start', 'test'] },
  { anyOf: ['dpkg-deb'], package: 'dpkg', purpose: 'unpacks what the examples take from Debian', for: ['start', 'test'] },
  { anyOf: ['ar'], package: 'binutils', purpose: 'checks that packages are readable by other tools', for: ['test'] },
  { anyOf: ['openssl'], package: 'openssl', purpose: 'signs packages, and checks their signatures, as berth does', for: ['test'] },
  { anyOf: ['fakeroot'], package: 'fakeroot', purpose: 'a store for a flash image is made without root', for: ['test'], containers: true },
  { anyOf: ['busybox'], package: 'busybox-static', purpose: 'what the containers of tests run', for: ['test'], containers: true },
  // On a developer's machine this package would start a service; there the one test that needs it is left out.
  ...(process.env.CI ? [{ anyOf: ['sshd'], package: 'openssh-server', purpose: 'berth over ssh is tested through a real sshd', for: ['test'], containers: true }] : []),
  { anyOf: ['/usr/lib/cni/bridge', '/opt/cni/bin/bridge'], package: 'containernetworking-plugins', purpose: 'gives apps a bridge', for: ['test'], containers: true },
  { anyOf: ['nft'], package: 'nftables', purpose: 'filters what apps send and receive', for: ['test'], containers: true },
  { anyOf: ['ip'], package: 'iproute2', purpose: 'makes networks for apps and for tests', for: ['test'], containers: true },
  { anyOf: ['setfacl'], package: 'acl', purpose: 'files in shared volumes are for all who see them, whatever their umask', for: ['test'], containers: true },
  { anyOf: ['xdg-dbus-proxy'], package: 'xdg-dbus-proxy', purpose: 'gives apps some names of the system bus', for: ['test'], containers: true },
  { anyOf: ['dbus-send'], package: 'dbus-bin', purpose: 'calls the update bus of an app, as three more clients do', for: ['test'], containers: true },
  { anyOf: ['gdbus'], package: 'libglib2.0-bin', purpose: 'calls the update bus of an app', for: ['test'], containers: true },
  { anyOf: ['busctl'], package: 'systemd', purpose: 'calls the update bus of an app', for: ['test'], containers: true },
  { anyOf: ['/usr/lib/python3/dist-packages/dbus/__init__.py'], package: 'python3-dbus', purpose: 'calls the update bus of an app', for: ['test'], containers: true },
  { anyOf: ['zstd'], package: 'zstd', purpose: 'checks that packages are readable by other tools', for: ['test'] },
];

function say(line) {
  process.stdout.write(`setup: ${line}\n`);
}

/** Ends with a sentence that says what is wrong and what to do. */
function giveUp(...lines) {
  for (const line of lines) process.stderr.write(`setup: ${line}\n`);
  process.exit(1);
}

/** Where Debian keeps programs of the administrator, and libraries for each kind of machine. */
const administratorPrograms = ['/usr/local/sbin', '/usr/sbin', '/sbin'];
const libraryDirectories = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib'];

/** True if a program is on the PATH or among the administrator's, a library where the loader finds it, or a file at its place. */
function isThere(name) {
  if (isAbsolute(name)) return existsSync(name);
  const isLibrary = name.includes('.so.');
  const directories = isLibrary ? libraryDirectories : [...(process.env.PATH ?? '').split(delimiter), ...administratorPrograms];
  return directories.some((directory) => {
    try {
      accessSync(join(directory, name), isLibrary ? constants.R_OK : constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Runs a command before the eyes of the person, without this checkout's own Node in the way; gives the exit code. */
function show(command, args, options = {}) {
  const path = (process.env.PATH ?? '').split(delimiter).filter((directory) => directory !== ownPrograms);
  const env = { ...process.env, PATH: path.join(delimiter), ...options.env };
  const result = spawnSync(command, args, { ...options, cwd: checkout, stdio: 'inherit', env });
  if (result.error) giveUp(`cannot run ${command}: ${result.error.message}`);
  return result.status ?? 1;
}

function checkHost(purpose, isRoot) {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < oldestNode) giveUp(`this is Node ${process.versions.node}; Berth's set-up needs ${oldestNode} or later (it then brings Node 26 itself)`);
  if (process.platform !== 'linux') giveUp(`this is ${process.platform}; Berth runs containers and so needs Linux (Debian 12 is what it is tested on)`);
  if (purpose === 'start' && !isRoot) {
    giveUp(
      'the demonstration runs real containers, and those need root:  sudo npm start',
      'if sudo does not find npm or node:  sudo env "PATH=$PATH" npm start',
    );
  }
  if (purpose === 'test' && !isRoot) {
    if (process.env.CI) giveUp('CI is set, so every test must run, but those with containers need root and this is not root');
    say('not root: tests with real containers are left out (sudo npm test runs them all)');
  }
}

/** True if apt knows at least one list of packages: a fresh container image has none. */
function hasAptLists() {
  try {
    return readdirSync('/var/lib/apt/lists').some((name) => /_Packages(\.|$)/.test(name));
  } catch {
    return false;
  }
}

function apt(...args) {
  return show('apt-get', ['-q', '-y', ...args], { env: { DEBIAN_FRONTEND: 'noninteractive' } }) === 0;
}

function updateLists() {
  say('fetching the lists of Debian packages (apt-get update)');
  return apt('update');
}

function installSystemPackages(purpose, isRoot) {
  const wanted = needs.filter((need) => need.for.includes(purpose) && (isRoot || !need.containers));
  const missing = wanted.filter((need) => !need.anyOf.some(isThere));
  const canInstall = isRoot && isThere('apt-get');
  // The examples take programs from Debian's archive, so the lists count even when nothing is missing.
  const needsLists = canInstall && !hasAptLists();
  if (missing.length === 0 && !needsLists) return;

  const packages = [...new Set(missing.map((need) => need.package))];
  const command = `apt-get install --no-install-recommends ${packages.join(' ')}`;
  if (missing.length > 0) {
    say(canInstall ? 'installing programs of the system that are missing:' : 'programs of the system are missing:');
    for (const need of missing) say(`  ${need.anyOf.join(' or ')} (Debian package ${need.package}): ${need.purpose}`);
    if (!canInstall) giveUp(`get them with:  ${isRoot ? '' : 'sudo '}${command}`);
  }

  const install = () => packages.length === 0 || apt('install', '--no-install-recommends', ...packages);
  // Lists that are there may be too old to fetch by; only a failure tells.
  const done = (!needsLists && install()) || (updateLists() && install());
  if (!done) giveUp(`apt-get failed, see above; to try by hand:  apt-get update && ${command}`);
}

function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw new Error(`cannot read ${path}: ${error.message}`, { cause: error });
  }
}

/**
 * True if node_modules holds what package-lock.json says: npm writes the same entries into a hidden lock file when it
 * has finished, without the root and without optional packages for other kinds of machine.
 */
function packagesMatch() {
  const wanted = readJson(join(checkout, 'package-lock.json')).packages;
  const installed = readJson(join(checkout, 'node_modules', '.package-lock.json'))?.packages;
  if (installed === undefined) return false;
  const isSame = (path) => wanted[path]?.version === installed[path]?.version && wanted[path]?.integrity === installed[path]?.integrity;
  const isWanted = (path) => path !== '' && !(wanted[path].optional && installed[path] === undefined);
  return Object.keys(installed).every(isSame) && Object.keys(wanted).filter(isWanted).every(isSame);
}

/** True if the package `node` has fetched its program, which it does in an install script that npm may have blocked. */
function hasOwnNode() {
  try {
    accessSync(ownNode, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function installPackages(isRoot) {
  if (packagesMatch() && hasOwnNode()) return;
  if (!packagesMatch()) {
    say('fetching the packages of package-lock.json into node_modules (npm ci; Node 26 is among them, 150 MB)');
    if (show('npm', ['ci', '--no-audit', '--no-fund']) !== 0) giveUp('npm ci failed, see above');
  }
  if (!hasOwnNode()) {
    say('npm has not run the install script that fetches Node 26; running it now (npm rebuild node)');
    show('npm', ['rebuild', 'node', '--ignore-scripts=false']);
    if (!hasOwnNode()) giveUp(`there is still no ${ownNode}; see above, and check ignore-scripts and allow-scripts in your npm configuration`);
  }
  // `sudo npm start` must leave nothing of root's in somebody's working copy.
  if (isRoot) show('chown', ['-R', `--reference=${checkout}`, join(checkout, 'node_modules')]);
}

const [purpose = 'start'] = process.argv.slice(2);
if (purpose !== 'start' && purpose !== 'test') giveUp(`usage: node scripts/setup.mjs [start|test], not ${purpose}`);
const isRoot = process.getuid?.() === 0;
checkHost(purpose, isRoot);
installSystemPackages(purpose, isRoot);
installPackages(isRoot);
