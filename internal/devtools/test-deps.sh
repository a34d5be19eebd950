#!/bin/sh
# Installs the outside programs that some tests use, those that are missing,
# from Debian's packages. Tests that need one of them skip where it is missing.
# None is started here, nor by its package: the tests start their own.
set -eu

missing=''
want() { # want PROGRAM PACKAGE: note the package where the program is missing
	if command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; then
		echo "test-deps: $1 is there"
	else
		echo "test-deps: $1 is missing, its package is $2"
		missing="$missing $2"
	fi
}

want prometheus prometheus
want prometheus-node-exporter prometheus-node-exporter
want victoria-metrics victoria-metrics
want sshd openssh-server
want pdftotext poppler-utils
want g++ g++
want systemd-analyze systemd

if [ -z "$missing" ]; then
	echo 'test-deps: nothing to install'
	exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "test-deps: this system has no apt-get; install by hand what Debian calls:$missing" >&2
	exit 1
fi
sudo=''
if [ "$(id -u)" -ne 0 ]; then
	sudo=sudo
fi

# Debian's packages start their services when they are installed, unless this
# policy says no. A policy that is there already is left alone.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap '$sudo rm -f "$policy"' EXIT
	trap 'exit 1' HUP INT TERM
	printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
	$sudo chmod 755 "$policy"
fi

echo "test-deps: installing$missing"
$sudo apt-get -q update
# shellcheck disable=SC2086 # one word a package
$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $missing
