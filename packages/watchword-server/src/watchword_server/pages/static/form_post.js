// Sends the answer back to the client; without JavaScript its button does.
document.getElementById("response").submit();
