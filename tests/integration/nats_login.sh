#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# How the nats sink and hostwatch tail nats: prove who they are, and who the server is.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/nats_lib.bash
. "$(dirname "$0")/nats_lib.bash"

test_a_refused_login_is_explained() {
	needs_server
	configure_server 'authorization { user: watcher, password: "right" }'
	begin_server
	configure 'create_stream = yes'
	begin_daemon
	logged 'the server requires a login: set user and password_file, or credentials'
	finish "$daemon"
	echo wrong >password
	chmod 600 password
	configure 'create_stream = yes' 'user = watcher' "password_file = $PWD/password"
	begin_daemon
	logged 'the server refused the login: check user and password_file'
	finish "$daemon"
	echo right >password
	begin_daemon
	stored 1
	mkdir a/end
	printf '%s\n' 'user = watcher' "password_file = $PWD/password" >options
	begin_tail --nats options
	read_until end
	finish "$daemon"
	chmod 644 password
	! "$B/hostwatchd" -c conf 2>log || fail "a password that anybody may read is accepted"
	contains "$(cat log)" 'other users or a group may use the file; run chmod 600 on it'
}

make_authority() { # NAME
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" -keyout "$1.key" -out "$1.pem" 2>/dev/null
}
make_certificate() { # AUTHORITY NAME ADDRESS
	openssl req -newkey rsa:2048 -nodes -subj "/CN=$2" -keyout "$2.key" -out "$2.csr" 2>/dev/null
	openssl x509 -req -in "$2.csr" -CA "$1.pem" -CAkey "$1.key" -CAcreateserial -days 2 -out "$2.pem" \
		-extfile <(echo "subjectAltName=$3") 2>/dev/null
}

test_tls_needs_a_certificate_of_the_authority_for_the_host() {
	needs_server
	command -v openssl >/dev/null || skip "openssl is not installed"
	make_authority right
	make_authority wrong
	make_certificate right server DNS:localhost
	configure_server "tls { cert_file: $PWD/server.pem, key_file: $PWD/server.key }"
	begin_server
	scheme=tls
	configure 'create_stream = yes' "tls_ca = $PWD/wrong.pem"
	sed -i s/127.0.0.1/localhost/ conf
	begin_daemon
	logged 'cannot connect to tls://localhost:.*check tls_ca, tls_cert and tls_key'
	finish "$daemon"
	sed -i s/wrong.pem/right.pem/ conf
	sed -i 's|^url = .*|url = tls://127.0.0.1:'"$port|" conf
	begin_daemon
	logged 'cannot connect to tls://127.0.0.1:.*the certificate of the server names the host of the URL'
	finish "$daemon"
	sed -i 's|^url = .*|url = tls://localhost:'"$port|" conf
	begin_daemon
	stored 1
	mkdir a/end
	echo "tls_ca = $PWD/right.pem" >options
	start "$B/hostwatch" tail --json --all --nats options "nats:tls://localhost:$port/hostwatch.a"
	next "$out"
	read_until end
	finish "$daemon"
}

run_tests
