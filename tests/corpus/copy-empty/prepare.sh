mkdir -p hollow/in/deep
