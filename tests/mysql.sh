#!/bin/bash
# Runs the tests of accounts and databases on a real MySQL instead of MariaDB. Debian packages MySQL in sid alone, and it
# cannot be installed beside MariaDB; so its packages, with every library that they need down to the C library, are
# unpacked into a folder and run from there. Nothing is installed.
#
#   tests/mysql.sh [FOLDER]      the folder is kept and used again (default: ~/.cache/wicketgate/mysql)
set -euo pipefail

folder=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/wicketgate/mysql}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
root=$folder/root

unpack() {
  local apt=$folder/apt packages
  mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$folder/packages" "$root"
  : >"$apt/state/status"
  # From wherever this machine has its packages.
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | sort -u | head -1)
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$apt/sources.list"
  local options=(-o "Dir::State=$apt/state" -o "Dir::State::status=$apt/state/status" -o "Dir::Cache=$apt/cache"
    -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=- -o "APT::Sandbox::User=$(id -un)")
  apt-get "${options[@]}" update -qq
  # All that the server needs but the interpreters of its maintainer scripts.
  mapfile -t packages < <(apt-cache "${options[@]}" depends --recurse --no-recommends --no-suggests --no-conflicts \
    --no-breaks --no-replaces --no-enhances mysql-server-core |
    grep '^[a-z]' | grep -Ev '^(perl|libperl|debconf|dpkg|tar$|mariadb|libdb5)' | sort -u)
  (cd "$folder/packages" && apt-get "${options[@]}" download -qq "${packages[@]}")
  local package
  for package in "$folder"/packages/*.deb; do dpkg-deb -x "$package" "$root"; done
}

[ -x "$root/usr/sbin/mysqld" ] || unpack

# The packages' own loader and libraries: those of this machine are older.
libraries=$(dirname "$(find "$root/usr/lib" -name 'ld-linux-*' | head -1)")
loader=$(find "$libraries" -name 'ld-linux-*' | head -1)
cat >"$folder/mysqld" <<END
#!/bin/sh
exec "$loader" --library-path "$libraries:$root/usr/lib/mysql/private" "$root/usr/sbin/mysqld" "\$@" \\
    --basedir="$root/usr" --plugin-dir="$root/usr/lib/mysql/plugin" --lc-messages-dir="$root/usr/share/mysql" \\
    --secure-file-priv= --skip-log-bin --loose-mysqlx=OFF
END
chmod 755 "$folder/mysqld"
"$folder/mysqld" --no-defaults --version

cd "$(dirname "$0")/.."
export WICKETGATE_TEST_MYSQLD=$folder/mysqld
# What speaks SQL or sets options that only MariaDB has.
of_mariadb=(on_galera on_sqlite a_password_that_is_changed_while_the_gate_runs_is_taken_up
  each_kind_of_password_and_each_version_of_tls_is_spoken each_way_to_be_refused_has_its_own_words
  more_rights_than_needed_are_a_warning a_server_that_is_set_up_otherwise_is_seen_through)
exec "${CARGO:-cargo}" test --no-fail-fast --test accounts --test database --test database_down --test database_servers \
  -- "${of_mariadb[@]/#/--skip=}"
