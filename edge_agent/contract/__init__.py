"""What cloud and device must compute identically. Needs numpy and cv2; engines are imported inside functions."""
