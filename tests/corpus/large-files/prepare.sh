yes corpus | head -c 2500000 >made || true
