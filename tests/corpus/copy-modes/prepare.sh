mkdir sticky closed group
for file in plain:644 run:755 set:4755 group/set:2750 sticky/all:666 closed/none:0 closed/write:200; do
    echo "${file%:*}" >"${file%:*}"
    chmod "${file##*:}" "${file%:*}"
done
chmod 1777 sticky
chmod 700 closed
chmod 2775 group
