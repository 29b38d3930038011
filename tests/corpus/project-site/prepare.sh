mkdir s; echo "a {}" >s/site.css; tar --mtime=@1300000000 --owner=7 --group=7 --numeric-owner --sort=name -cjf static.tar.bz2 -C s .; rm -r s
