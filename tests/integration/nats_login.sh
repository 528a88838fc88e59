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
	logged 'the server requires a login: set user and password_file, token_file, nkey or credentials'
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

# The sink and tail log in with these options.
check_login() { # OPTION...
	configure 'create_stream = yes' "$@"
	begin_daemon
	stored 2
	mkdir -p a/end
	printf '%s\n' "$@" >options
	begin_tail --nats options
	read_until end
	finish "$daemon"
}
# Neither does with these.
check_refusal() { # MESSAGE OPTION...
	configure 'create_stream = yes' "${@:2}"
	begin_daemon
	logged "$1"
	finish "$daemon"
	printf '%s\n' "${@:2}" >options
	! "$B/hostwatch" tail --nats options "nats:${scheme:-nats}://127.0.0.1:$port" 2>err || fail "tail was not refused"
	grep -q -- "$1" err || fail "$(cat err)"
}
secret() { # FILE TEXT
	printf '%s\n' "$2" >"$1"
	chmod 600 "$1"
}

test_a_token_logs_in() {
	needs_server
	configure_server 'authorization { token: "right-token" }'
	begin_server
	secret wrong wrong-token
	check_refusal 'the server refused the login: check' "token_file = $PWD/wrong"
	secret right right-token
	check_login "token_file = $PWD/right"
}

test_an_nkey_logs_in() {
	needs_server
	nkey=$(cat "$tree/tests/integration/nats_operator/user.nkey")
	configure_server "authorization { users: [ { nkey: $nkey } ] }"
	begin_server
	# The seed of another user, and of this one.
	secret wrong SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY
	check_refusal 'the server refused the login: check' "nkey = $nkey" "nkey_file = $PWD/wrong"
	secret right "$(grep ^SU "$tree/tests/integration/nats_operator/user.creds")"
	check_login "nkey = $nkey" "nkey_file = $PWD/right"
}

test_credentials_of_an_operators_account_log_in() {
	needs_server
	mapfile -t lines <"$tree/tests/integration/nats_operator/operator.conf"
	configure_server "${lines[@]}"
	begin_server
	# A JWT with the seed of another user.
	sed 's/^SU.*/SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY/' "$tree/tests/integration/nats_operator/user.creds" >wrong
	cp "$tree/tests/integration/nats_operator/user.creds" right
	chmod 600 wrong right
	check_refusal 'the server refused the login: check' "credentials = $PWD/wrong"
	check_login "credentials = $PWD/right"
}

test_a_login_is_set_in_one_way_only() {
	needs_server
	configure_server
	begin_server
	secret text text
	refused() { # MESSAGE OPTION...
		configure "${@:2}"
		! "$B/hostwatchd" -c conf 2>log || fail "accepted: ${*:2}"
		contains "$(cat log)" "$1"
		printf '%s\n' "${@:2}" >options
		! "$B/hostwatch" tail --nats options "nats:nats://127.0.0.1:$port" 2>err || fail "tail accepts: ${*:2}"
		contains "$(cat err)" "$1"
	}
	refused 'set only one of user, token_file, nkey and credentials' "token_file = $PWD/text" 'user = u' "password_file = $PWD/text"
	refused 'user and password_file require each other' 'user = u'
	refused 'nkey and nkey_file require each other' "nkey_file = $PWD/text"
	refused 'not the public key of a user' 'nkey = SU' "nkey_file = $PWD/text"
	refused 'not the seed of a user' 'nkey = UA' "nkey_file = $PWD/text"
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

# Both sides show a certificate, and the server takes the user from that of the client.
test_a_client_certificate_logs_in() {
	needs_server
	command -v openssl >/dev/null || skip "openssl is not installed"
	make_authority right
	make_authority wrong
	make_certificate right server IP:127.0.0.1
	make_certificate right client email:watcher@example.org
	make_certificate wrong stranger email:watcher@example.org
	chmod 600 ./*.key
	configure_server "tls { cert_file: $PWD/server.pem, key_file: $PWD/server.key, ca_file: $PWD/right.pem, verify_and_map: true }" \
		'authorization { users: [ { user: "watcher@example.org" } ] }'
	begin_server
	scheme=tls
	check_refusal 'cannot connect to tls://' "tls_ca = $PWD/right.pem"
	check_refusal 'cannot connect to tls://' "tls_ca = $PWD/right.pem" "tls_cert = $PWD/stranger.pem" "tls_key = $PWD/stranger.key"
	check_login "tls_ca = $PWD/right.pem" "tls_cert = $PWD/client.pem" "tls_key = $PWD/client.key"
}

run_tests
