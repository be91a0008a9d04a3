#!/bin/bash
# Sees to it that every program the tests call is here. What is missing is installed from Debian's packages
# when this runs as root on a machine that has them; otherwise it is named, and the run fails: a test is
# never skipped because its program is absent. No service of a package is started.
set -euo pipefail

# program : Debian package, or several with commas between them
NEEDED=(
  mariadbd:mariadb-server
  mariadb-install-db:mariadb-server
  rsync:rsync
  curl:curl
  openssl:openssl
  c++:g++
  chromium:chromium
  ip:iproute2
  unshare:util-linux
  nsenter:util-linux
  certutil:libnss3-tools
  certtool:gnutls-bin
  keytool:default-jre-headless
  softhsm2-util:softhsm2
  pk12util:libnss3-tools
  pip3:python3-pip
  node:nodejs
  haproxy:haproxy
  nginx:nginx
  caddy:caddy
  promtool:prometheus
  fail2ban-regex:fail2ban
  pki:strongswan-pki,libstrongswan-standard-plugins,libstrongswan-extra-plugins
  systemd-analyze:systemd
  systemd-socket-activate:systemd
  setpriv:util-linux
  taskset:util-linux
  slapd:slapd
  ldapsearch:ldap-utils
  samba:samba,samba-ad-provision,samba-dsdb-modules,python3-samba,winbind
  ldbsearch:ldb-tools
  gnutls-cli:gnutls-bin
  firefox-esr:firefox-esr
  certtool:gnutls-bin
  keytool:default-jre-headless
  age:age
  script:bsdutils
)

# Servers live in sbin, which is not on everybody's path.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

missing_programs() {
  local pair
  for pair in "${NEEDED[@]}"; do
    command -v "${pair%%:*}" >/dev/null || echo "${pair%%:*}"
  done
}

packages_of() {
  local program pair
  for program in "$@"; do
    for pair in "${NEEDED[@]}"; do
      [ "${pair%%:*}" = "$program" ] && echo "${pair##*:}"
    done
  done | tr , '\n' | sort -u
}

mapfile -t missing < <(missing_programs)
[ ${#missing[@]} -eq 0 ] && exit 0
mapfile -t packages < <(packages_of "${missing[@]}")

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "The tests need programs that are not on this machine: ${missing[*]}" >&2
  echo "On Debian: apt-get install --no-install-recommends ${packages[*]}" >&2
  exit 1
fi

# Debian asks this script before it starts a service; 101 forbids it. One that was there before is put back.
policy=/usr/sbin/policy-rc.d
restore() {
  rm -f "$policy"
  if [ -e "$policy.before-tests" ]; then mv "$policy.before-tests" "$policy"; fi
}
trap restore EXIT
if [ -e "$policy" ]; then mv "$policy" "$policy.before-tests"; fi
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

echo "Installing for the tests: ${packages[*]}"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq -o DPkg::Lock::Timeout=300
apt-get install -y -qq -o DPkg::Lock::Timeout=300 --no-install-recommends "${packages[@]}" >/dev/null

mapfile -t missing < <(missing_programs)
if [ ${#missing[@]} -ne 0 ]; then
  echo "Still missing after the installation: ${missing[*]}" >&2
  exit 1
fi
