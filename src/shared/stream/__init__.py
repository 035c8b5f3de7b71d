"""What viewers see: the parts of a turn, stored before they are shown, and shown in one order to all."""
